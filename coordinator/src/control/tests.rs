//! Both ends of the socket, with a real server task and the commands' blocking client.

use super::*;
use crate::ops::tests::ops;
use crate::store::State;
use samensom_protocol::codec::{Blob, Bytes, List};
use std::time::Instant;
use tempfile::TempDir;

fn add(name: &str) -> Request {
    let text = |s: &str| s.to_owned();
    Request::HospitalAdd { name: text(name), group: text("g"), kind: text("k"), floor: 0, id: None }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_command_reaches_the_server_and_its_errors_come_back() {
    let place = TempDir::new().unwrap();
    let folder = Folder::new(place.path());
    let ops = ops(&place);
    let server = serve(&folder, ops).unwrap();
    let mode = std::fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let asked = folder.clone();
    blocking(move || {
        let Response::Hospital(hospital) = ask(&asked, &add("Erasmus MC")).unwrap() else { panic!() };
        assert_eq!((hospital.id, hospital.institution.as_str()), (NodeId(1), "erasmus-mc"));
        assert_eq!(hospital.state, State::Added);
        let again = ask(&asked, &add("Erasmus MC")).unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
        let Response::Status(status) = ask(&asked, &Request::Status).unwrap() else { panic!() };
        assert_eq!((status.members, status.linked.len()), (0, 0));
        let run = Request::QueryRun { warrant: "ab".to_owned() };
        assert!(ask(&asked, &run).unwrap_err().to_string().contains("no warrant"));
        let begun = Instant::now();
        for _ in 0..100 {
            ask(&asked, &Request::Status).unwrap();
        }
        println!("100 commands in {:?}", begun.elapsed());
    })
    .await;
    server.abort();
    let _ = server.await;
    let gone = blocking(move || ask(&folder, &Request::Status).unwrap_err()).await;
    assert_eq!(gone.exit_code(), 5, "{gone}");
    assert!(gone.to_string().contains("serve"), "says how to start it: {gone}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_harms_nothing() {
    let place = TempDir::new().unwrap();
    let folder = Folder::new(place.path());
    let ops = ops(&place);
    let _server = serve(&folder, ops).unwrap();
    for line in ["", "{}\n", "\"reboot\"\n", "{\"status\":{},\"x\":1}\n", &"a".repeat(1 << 20), "\u{0}\n"] {
        let (socket, line) = (folder.socket(), line.to_owned());
        let answer = blocking(move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            // The server may have hung up before it read all.
            let _ = stream.write_all(line.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        })
        .await;
        if !answer.is_empty() {
            let response: Response = serde_json::from_str(&answer).unwrap();
            assert!(matches!(response, Response::Failed(Error::Asked(_))), "{answer}");
        }
    }
    let asked = folder.clone();
    assert!(blocking(move || ask(&asked, &Request::Status)).await.is_ok());
    // A second server after a crash finds the old socket and takes its place.
    let fresh = TempDir::new().unwrap();
    let _server = serve(&folder, crate::ops::tests::ops(&fresh)).unwrap();
    assert!(blocking(move || ask(&folder, &Request::Status)).await.is_ok());
}

#[test]
fn a_folder_without_a_store_says_so() {
    let place = TempDir::new().unwrap();
    let error = ask(&Folder::new(place.path()), &Request::Status).unwrap_err();
    assert!(error.to_string().contains("samensom init"), "{error}");
}

#[test]
fn requests_and_responses_survive_the_line() {
    let requests = [
        Request::Status,
        add("A \"b\"\n c"),
        Request::QuerySubmit {
            warrant: SignedWarrant {
                body: Blob::new(vec![1, 2, 255]).unwrap(),
                approvals: List::default(),
                request: Bytes([7; 64]),
            },
        },
    ];
    for request in requests {
        let line = serde_json::to_string(&request).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }
    let response = Response::Failed(Error::refused("x"));
    let line = serde_json::to_string(&response).unwrap();
    assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), response);
}
