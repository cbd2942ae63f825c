//! No hospital's figures outside that hospital: memory and disk of the coordinator, and the network.
//!
//! Each hospital's extract holds three adjacent figures of its own, and two hold a fourth of which the floor keeps
//! the total back. After a session they and that total are looked for in every form they have on the way to the
//! sum. The same look finds them where they belong.

use samensom_protocol::ring;
use samensom_tests::harness::{Running, files};
use samensom_tests::needles::Needles;
use samensom_tests::relay::Relay;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

const HOSPITALS: u64 = 5;
/// Lowest figure of the query's range; the contributed word is the figure less this.
const LOW: i64 = -1_000_000_000;
const MICRO: i64 = 1_000_000;
/// The query's range in millionths.
const WIDEST: u64 = 2_000_000_000_000_000;

const DEMO: &str = r#"
[hospitals]
file = "hospitals.csv"
id = "id"
name = "name"
group = "group"
[[extract]]
dataset = "stock"
file = "stock.csv"
hospital = "hospital"
encoding = "utf-8"
separator = ";"
decimal = ","
unit = "piece"
[extract.columns]
code = "code"
quantity = "quantity"
"#;

const QUERY: &str = r#"
[query]
id = "planted"
version = 1
title = { nl = "Geplant", en = "Planted" }
purpose = "stock"
dataset = "stock"
"#;

/// Hospitals that hold the fourth code: fewer than the floor, so that its total is withheld.
const FEW: u64 = 2;

/// The three figures of a hospital, in millionths: nine digits before the comma, six after, never again.
fn planted(hospital: u64) -> [i64; 3] {
    [0, 1, 2].map(|place| drawn(hospital * 3 + place + 1))
}

/// The fourth figure of one of the few.
fn withheld(hospital: u64) -> i64 {
    drawn(1000 + hospital)
}

fn drawn(mut state: u64) -> i64 {
    for _ in 0..20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    200_000_000 * MICRO + i64::try_from(state >> 15).unwrap() % (700_000_000 * MICRO)
}

fn needles() -> Needles {
    let mut needles = Needles::default();
    for hospital in 0..HOSPITALS {
        for (place, figure) in planted(hospital).into_iter().enumerate() {
            forms(&mut needles, &format!("figure {place} of hospital {hospital}"), figure, 1);
        }
        if hospital < FEW {
            forms(
                &mut needles,
                &format!("the withheld figure of hospital {hospital}"),
                withheld(hospital),
                1,
            );
        }
        // A report without its masks: the three figures packed, and whatever follows in their last byte.
        let lanes = planted(hospital).map(|figure| u64::try_from(figure - LOW * MICRO).unwrap());
        let width = ring::width(u16::try_from(HOSPITALS).unwrap(), WIDEST).unwrap();
        let whole = 3 * usize::from(width) / 8;
        needles
            .bytes(&format!("figures of hospital {hospital}, packed"), &ring::pack(&lanes, width)[..whole]);
    }
    forms(&mut needles, "the withheld total", (0..FEW).map(withheld).sum(), HOSPITALS);
    needles
}

/// The forms of a figure to which so many hospitals contributed.
fn forms(needles: &mut Needles, name: &str, figure: i64, hospitals: u64) {
    needles.text(&format!("{name}, whole part"), &(figure / MICRO).to_string());
    needles.text(&format!("{name}, all digits"), &figure.to_string());
    needles.word(&format!("{name}, scaled"), u64::try_from(figure).unwrap());
    let offset = LOW * MICRO * i64::try_from(hospitals).unwrap();
    needles.word(&format!("{name}, as contributed"), u64::try_from(figure - offset).unwrap());
}

/// The files of a demo over planted extracts.
fn plant(folder: &Path) {
    let (mut hospitals, mut stock) = ("id,name,group\n".to_owned(), "hospital;code;quantity\n".to_owned());
    for hospital in 0..HOSPITALS {
        let _ = writeln!(hospitals, "H{hospital},Hospital {hospital},west");
        for (place, figure) in planted(hospital).into_iter().enumerate() {
            let _ = writeln!(stock, "H{hospital};c{place};{},{:06}", figure / MICRO, figure % MICRO);
        }
        if hospital < FEW {
            let figure = withheld(hospital);
            let _ = writeln!(stock, "H{hospital};c3;{},{:06}", figure / MICRO, figure % MICRO);
        }
    }
    let mut query = QUERY.to_owned();
    for place in 0..4 {
        let _ = write!(
            query,
            "[[measure]]\nname = \"m{place}\"\nsum = \"quantity\"\nwhere = \"code = 'c{place}'\"\n\
             unit = \"piece\"\nscale = 6\nrange = [{LOW}, 1000000000]\n"
        );
    }
    query.push_str("[[measure]]\nname = \"holders\"\nhospitals = \"sum(quantity) > 0\"\n");
    for (name, text) in
        [("demo.toml", DEMO), ("query.toml", &query), ("hospitals.csv", &hospitals), ("stock.csv", &stock)]
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn free_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn no_figure_of_one_hospital_outside_it() {
    let given = tempfile::TempDir::new().unwrap();
    plant(given.path());
    let server = free_port();
    let relay = Relay::start(server);
    let path = |name: &str| given.path().join(name).to_str().unwrap().to_owned();
    let (extracts, query) = (path("demo.toml"), path("query.toml"));
    let (listen, public) = (server.to_string(), relay.address.to_string());
    let mut running = Running::start(&[
        "--keep-running",
        "--extracts",
        &extracts,
        "--query",
        &query,
        "--listen",
        &listen,
        "--public",
        &public,
    ]);
    let line = running.until("running in ");
    let folder = Path::new(line.split(' ').nth(2).unwrap());
    let needles = needles();

    let [coordinator] = running.processes(" serve")[..] else { panic!("one coordinator") };
    let (found, read) = needles.in_process(coordinator);
    assert_eq!(found, Vec::<&str>::new(), "in the coordinator's memory");
    assert!(read > 5_000_000, "{read} bytes of the coordinator's memory were read");
    let mut disk = 0;
    for file in files(&folder.join("lcg")).iter().chain([&folder.join("serve.log")]) {
        if file.extension().is_none_or(|extension| extension != "sock") {
            assert_eq!(needles.in_file(file), Vec::<&str>::new(), "in {}", file.display());
            disk += 1;
        }
    }
    assert!(disk > 4, "{disk} files of the coordinator were read");
    let carried = relay.carried();
    assert_eq!(needles.in_bytes(&carried), Vec::<&str>::new(), "on the network");
    assert!(carried.len() > 20_000, "{} bytes were carried", carried.len());

    // The same look finds every hospital's own three figures in its own folder, and no other hospital's.
    for hospital in 0..HOSPITALS {
        let home = folder.join("hospitals").join(format!("h{hospital}"));
        let own = format!("of hospital {hospital},");
        let all = files(&home);
        let found: Vec<&str> = all
            .iter()
            .filter(|file| file.extension().is_none_or(|extension| extension != "sock"))
            .flat_map(|file| needles.in_file(file))
            .collect();
        for place in 0..3 {
            let texts = format!("figure {place} {own} whole part as text");
            let words = format!("figure {place} {own} scaled, big-endian");
            assert!(found.contains(&&*texts) && found.contains(&&*words), "{hospital}: {found:?}");
        }
        assert!(found.iter().all(|name| name.contains(&own)), "{hospital}: {found:?}");
        let few = format!("the withheld figure {own} whole part as text");
        assert_eq!(found.contains(&&*few), hospital < FEW, "{hospital}: {found:?}");
    }
    let (ended, printed, _) = running.interrupt();
    assert!(ended.success());
    let facts: serde_json::Value = serde_json::from_str(&printed).unwrap();
    println!("{facts}");
    println!("{read} bytes of memory, {disk} files, {} bytes of traffic: nothing", carried.len());
}

/// The look into memory finds every form that another process holds.
#[test]
fn what_is_in_memory_is_found() {
    let needles = needles();
    let mut other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let forms = needles.all_forms();
    assert!(forms.len() < 60_000, "it fits into what cat reads at once and a pipe holds");
    let (mut to, mut from) = (other.stdin.take().unwrap(), other.stdout.take().unwrap());
    to.write_all(&forms).unwrap();
    to.flush().unwrap();
    // cat has read all of it once all of it has come back.
    let mut back = vec![0; forms.len()];
    from.read_exact(&mut back).unwrap();
    let (found, _) = needles.in_process(other.id());
    drop(to);
    other.wait().unwrap();
    let mut names = needles.names();
    names.sort_unstable();
    assert_eq!(found, names);
}
