//! Queries over almost the same patients, through the real programs: the hospitals refuse the second, say in their own
//! words why, and tell the server one code; a restart and a new slot over the same rows change nothing.

use samensom_tests::deployment::{Deployment, Pace, Template};
use samensom_tests::harness::samensom;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

const HOSPITALS: usize = 4;
/// Patients of each hospital; so many are of eighteen.
const PATIENTS: usize = 40;

/// Every hospital has patients' rows, so many of whom are of eighteen.
fn write_rows(deployment: &Deployment, of_eighteen: usize) {
    for hospital in 0..HOSPITALS {
        let mut rows = String::from("person;code;at;quantity;age\n");
        for person in 0..PATIENTS {
            let age = if person < of_eighteen { 18 } else { 30 };
            rows.push_str(&format!("p{person};x;2026-01-01;{};{age}\n", hospital + 1));
        }
        std::fs::write(deployment.home(hospital).join("given.csv"), rows).unwrap();
    }
}

fn deployed() -> Deployment {
    let deployment = Template::make(HOSPITALS, 0, Pace::of_two_passes()).deploy();
    for hospital in 0..HOSPITALS {
        let file = deployment.home(hospital).join("node.toml");
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        let extract = "[[extract]]\ndataset = \"administration\"\nfile = \"given.csv\"\nencoding = \"utf-8\"\n\
                       separator = \";\"\ndecimal = \",\"\ndate = \"%Y-%m-%d\"\nunit = \"mg\"\n[extract.columns]\n\
                       person = \"person\"\ncode = \"code\"\nat = \"at\"\nquantity = \"quantity\"\nage = \"age\"\n";
        file.write_all(extract.as_bytes()).unwrap();
    }
    write_rows(&deployment, 3);
    deployment
}

fn query(id: &str, population: &str, measure: &str) -> String {
    format!(
        "[query]\nid = \"{id}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
         dataset = \"administration\"\n[population]\nwhere = \"{population}\"\n[[measure]]\nname = \"m\"\n{measure}\
         [floors]\nhospitals = 3\npatients = 10\n"
    )
}

/// What `query run` printed, whether it gave a sum or a failure.
fn run(deployment: &Deployment, warrant: &str) -> Value {
    let mut command = Command::new(samensom());
    command
        .arg("--data")
        .arg(deployment.lcg())
        .args(["--no-input", "--format", "json"])
        .env_remove("SAMENSOM_DATA");
    let ended = command.args(["query", "run", warrant, "--wait"]).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|why| panic!("{why}: {told}\n{}", deployment.tails()))
}

/// How often each hospital has said why in its own log.
fn refusals(deployment: &Deployment) -> Vec<usize> {
    let rule = "the populations of older and adults differ by fewer than 10 of this hospital's patients";
    (0..HOSPITALS).map(|hospital| deployment.told(hospital).matches(rule).count()).collect()
}

#[track_caller]
fn is_refused(deployment: &Deployment, warrant: &str) {
    let told = run(deployment, warrant);
    assert_eq!(told["failure"]["code"], "too-few", "{told}\n{}", deployment.tails());
    assert_eq!(told["failure"]["present"], 0, "{told}");
    assert_eq!(told["consent"]["refused"], json!([1, 2, 3, 4]), "{told}");
    assert!(!told.to_string().contains("patients"), "one code outwards: {told}");
}

#[test]
fn a_second_query_over_almost_the_same_patients_is_refused_by_the_hospitals() {
    let mut deployment = deployed();
    deployment.start_all();
    let adults = deployment.approved(&query("adults", "age >= 18", "patients = true\n"));
    // Other sums, so that the server, which knows no patient, lets both stand.
    let sum = "sum = \"quantity\"\nunit = \"mg\"\nscale = 0\nrange = [0, 1000000]\n";
    let older = deployment.approved(&query("older", "age >= 19", sum));
    deployment.next_slot();
    let told = run(&deployment, &adults);
    assert_eq!(told["summary"]["totals"][0]["value"], (HOSPITALS * PATIENTS).to_string(), "{told}");
    is_refused(&deployment, &older);
    let first = refusals(&deployment);
    assert!(first.iter().all(|count| *count > 0), "{first:?} {}", deployment.tails());
    // The log of each hospital tells its people, by the rule; the figure between stays unsaid.
    let audit = std::fs::read_dir(deployment.state(0).join("audit")).unwrap().flatten();
    let kept: String = audit.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
    assert!(kept.contains("differ by fewer than 10 of this hospital's patients"), "{kept}");

    // Restarted, and in another slot over the same rows: what was answered is known from the disk.
    for hospital in 0..HOSPITALS {
        deployment.kill(hospital);
    }
    deployment.restart(&[0, 1, 2, 3], Duration::from_secs(30));
    deployment.next_slot();
    is_refused(&deployment, &older);
    let second = refusals(&deployment);
    assert!(second.iter().zip(&first).all(|(now, before)| now > before), "{second:?}");

    // Over another extract it is as any query.
    write_rows(&deployment, 4);
    deployment.next_slot();
    let told = run(&deployment, &older);
    let sum: usize = (1..=HOSPITALS).map(|each| each * (PATIENTS - 4)).sum();
    assert_eq!(told["summary"]["totals"][0]["value"], sum.to_string(), "{told}");
}
