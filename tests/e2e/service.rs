//! The agent as a service: the shipped unit is hardened, and what it promises systemd is kept.

use samensom_tests::deployment::{Deployment, Pace, Template};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const UNIT: &str = "deploy/systemd/samensom-node.service";
/// Exposure by `systemd-analyze security`, from 0 to 10.
const MOST: f64 = 2.0;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_shipped_unit_is_hardened() {
    let unit = shipped(UNIT);
    let asked = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output();
    let Ok(told) = asked else {
        println!("not run: there is no systemd-analyze here to judge {UNIT}");
        return;
    };
    let text = String::from_utf8_lossy(&told.stdout);
    let level = text.lines().find(|line| line.contains("Overall exposure level"));
    let level =
        level.unwrap_or_else(|| panic!("no exposure level: {text}{}", String::from_utf8_lossy(&told.stderr)));
    let figure = level.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
    let figure: f64 = figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{level}"));
    println!("{UNIT}: exposure {figure}, at most {MOST}");
    assert!(figure <= MOST, "{text}");
}

/// The verbs and files that the unit names are those of the program.
#[test]
fn the_shipped_unit_starts_what_there_is() {
    let text = std::fs::read_to_string(shipped(UNIT)).unwrap();
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("ExecStart");
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words[0], "/usr/bin/samensom-node");
    // Without a configuration there: exit code 3, and not 2 for a command line that is not understood.
    let program = samensom_tests::harness::programs().join("samensom-node");
    let absent = "/nonexistent/node.toml";
    let words = words.iter().skip(1).map(|word| if word.ends_with(".toml") { absent } else { word });
    let ended = Command::new(program).args(words).output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(text.contains("RestartPreventExitStatus=3 4"), "bad configuration is not tried for ever");
}

struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    /// Waits until a message with this line came; how many of its kind there were before.
    fn hears(&mut self, line: &str) {
        let begun = Instant::now();
        let mut bytes = [0; 4096];
        while begun.elapsed() < Duration::from_secs(20) {
            if let Ok(length) = self.socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let found = text.lines().any(|found| found.starts_with(line));
                self.told.push(text);
                if found {
                    return;
                }
            }
        }
        panic!("systemd was not told {line}: {:?}", self.told);
    }
}

#[test]
fn systemd_hears_that_the_agent_is_ready_alive_linked_and_stops() {
    let mut deployment: Deployment = Template::make(3, 1, Pace::quick()).deploy();
    let path = deployment.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut manager = Manager { socket, told: Vec::new() };
    let env = [("NOTIFY_SOCKET", path.into_os_string()), ("WATCHDOG_USEC", "400000".into())];
    // Without a coordinator it is ready all the same, and says why it is not linked.
    deployment.start(0, &env);
    manager.hears("READY=1");
    manager.hears("STATUS=not linked: ");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    deployment.serve();
    manager.hears("STATUS=linked to ");
    let link = |deployment: &Deployment| deployment.status(0)["link"]["linked"].clone();
    assert_eq!(link(&deployment), true);
    deployment.kill_server();
    manager.hears("STATUS=not linked: ");
    assert_eq!(link(&deployment), false);
    assert_eq!(deployment.stop(0), Some(0));
    manager.hears("STOPPING=1");
    let ready = manager.told.iter().filter(|text| text.contains("READY=1")).count();
    assert_eq!(ready, 1, "{:?}", manager.told);
}
