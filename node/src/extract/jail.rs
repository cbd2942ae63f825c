//! What the reading child takes from itself before it looks at a hospital's file.
//!
//! Owns the limits: memory, processor time, open files, no core, no new rights, no program to start, no
//! network, and on the disk the extract's files to read and the draft's folder to write. All of it binds the
//! thread that calls and those it makes, so it is called first. It is best effort only where a kernel lacks
//! Landlock, and then it says so. It must not read the files.

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    path_beneath_rules,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Memory of its own that the child may have; with the program's text it stays below 256 MB resident.
pub(super) const MEMORY: u64 = 232 << 20;
/// Addresses, most of them never touched.
const ADDRESSES: u64 = 4 << 30;
const OPEN_FILES: u64 = 512;

/// How the child is kept apart, as it found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// By all of it.
    Full,
    /// The kernel knows Landlock, but not all of it: files are kept apart.
    Partial,
    /// The kernel has no Landlock: this account's other files can be read by the child.
    NoLandlock,
}

/// Limits this process and shuts it in, while it has one thread. What fails is not gone on without.
pub(super) fn enter(read: &[PathBuf], write: &Path, cpu_seconds: u64) -> io::Result<Guard> {
    let limit = |resource, most| {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit)
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Data, MEMORY)?;
    limit(Resource::As, ADDRESSES)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    // First the signal that says why; where both are one, it would be killed without a word.
    let cpu = Rlimit { current: Some(cpu_seconds), maximum: Some(cpu_seconds.saturating_add(5)) };
    setrlimit(Resource::Cpu, cpu)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    shut_in(read, write)
}

/// Shuts in this thread and those it makes from here on.
fn shut_in(read: &[PathBuf], write: &Path) -> io::Result<Guard> {
    rustix::thread::set_no_new_privs(true)?;
    let guard = files(read, write).map_err(io::Error::other)?;
    system_calls().map_err(io::Error::other)?;
    Ok(guard)
}

/// Reads these files, writes in this folder, binds and connects nothing, signals nobody.
fn files(read: &[PathBuf], write: &Path) -> Result<Guard, landlock::RulesetError> {
    let abi = ABI::V6;
    let inside = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::ReadDir;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules([write], inside))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Guard::Full,
        RulesetStatus::PartiallyEnforced => Guard::Partial,
        RulesetStatus::NotEnforced => Guard::NoLandlock,
    })
}

/// Files that are open, memory, threads, clocks; no sockets, no programs, no other process.
const ALLOWED: [i64; 52] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_unlinkat,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older names of the same, which the C library may still use on this machine.
#[cfg(target_arch = "x86_64")]
const OLDER: [i64; 8] = [
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: [i64; 0] = [];

/// Everything else does not exist for this thread, as on an older kernel, so that libraries fall back.
fn system_calls() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.into_iter().chain(OLDER).map(|call| (call, Vec::new())).collect();
    let only = |argument, length, mask, value| {
        let condition = SeccompCondition::new(argument, length, SeccompCmpOp::MaskedEq(mask), value)?;
        SeccompRule::new(vec![condition]).map(|rule| vec![rule])
    };
    let number = |flag: i32| u64::try_from(flag).unwrap_or(u64::MAX);
    // A thread of this process, never a process.
    let thread = number(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, only(0, SeccompCmpArgLen::Qword, thread, thread)?);
    // Memory that is never run.
    let run = number(libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, only(2, SeccompCmpArgLen::Dword, run, 0)?);
    rules.insert(libc::SYS_mprotect, only(2, SeccompCmpArgLen::Dword, run, 0)?);
    // A signal to itself, which is how it aborts; its own limits to be read, not set.
    let me = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, only(0, SeccompCmpArgLen::Dword, u64::from(u32::MAX), me)?);
    rules.insert(libc::SYS_prlimit64, only(2, SeccompCmpArgLen::Qword, u64::MAX, 0)?);
    let absent = SeccompAction::Errno(u32::try_from(libc::ENOSYS)?);
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, absent, SeccompAction::Allow, machine)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    /// What a library that a hostile file has taken over would try. The limits bind one thread, so that the
    /// same is shown to work in this process without them.
    fn attempts(folder: &Path) -> [(&'static str, bool); 11] {
        let outside = folder.join("outside");
        [
            ("udp", UdpSocket::bind("127.0.0.1:0").is_ok()),
            ("tcp", TcpListener::bind("127.0.0.1:0").is_ok()),
            ("unix", UnixStream::pair().is_ok()),
            ("program", Command::new("/bin/true").status().is_ok()),
            ("signal", rustix::process::test_kill_process(rustix::process::getpid()).is_ok()),
            ("limit", setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).is_ok()),
            ("folder", std::env::set_current_dir(".").is_ok()),
            ("mode", fs::set_permissions(&outside, fs::metadata(&outside).unwrap().permissions()).is_ok()),
            ("other file", File::open(&outside).is_ok()),
            ("new file", File::create(folder.join("new")).is_ok()),
            ("rename", fs::rename(folder.join("inside/x"), folder.join("x")).is_ok()),
        ]
    }

    #[test]
    fn a_thread_that_is_shut_in_reads_its_files_writes_its_folder_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("inside")).unwrap();
        for name in ["extract", "outside", "inside/x"] {
            fs::write(path(name), name).unwrap();
        }
        let (root, extract, inside) = (folder.path().to_owned(), path("extract"), path("inside"));
        let shut = std::thread::spawn(move || {
            let guard = shut_in(std::slice::from_ref(&extract), &inside).unwrap();
            assert_eq!(fs::read(&extract).unwrap(), b"extract");
            fs::write(inside.join("draft"), "rows").unwrap();
            assert_eq!(fs::read_dir(&inside).unwrap().count(), 2);
            fs::remove_file(inside.join("draft")).unwrap();
            std::thread::spawn(|| ()).join().unwrap();
            (guard, attempts(&root))
        });
        let (guard, done) = shut.join().unwrap();
        for (what, worked) in done {
            let by_landlock = ["other file", "new file", "rename"].contains(&what);
            assert!(!worked || by_landlock && guard == Guard::NoLandlock, "{what} worked");
        }
        if guard == Guard::NoLandlock {
            use std::io::Write as _;
            let _ = writeln!(io::stderr(), "NOT RUN: files apart; this kernel has no Landlock");
        }
        fs::write(path("inside/x"), "x").unwrap();
        for (what, worked) in attempts(folder.path()) {
            assert!(worked, "{what} does not work without the limits, so its failure shows nothing");
        }
    }
}
