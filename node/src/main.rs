//! The hospital's agent. Everything is in the library; here the process is made safe first.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any secret exists: no memory of this process on a disk, no file that others may read.
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        eprintln!("samensom-node: core dumps cannot be switched off: {error}");
        return ExitCode::from(1);
    }
    umask(Mode::RWXG | Mode::RWXO);
    ExitCode::from(samensom_node::cli::main())
}
