//! A month that is over, asked about again under other warrants: whoever took part first takes part each time.

use samensom_tests::deployment::{Deployment, Pace, Template};
use std::io::Write as _;
use std::time::Duration;

const HOSPITALS: usize = 4;

/// The use of two months of each hospital; `later` is of the second.
fn write_rows(deployment: &Deployment, later: usize) {
    for hospital in 0..HOSPITALS {
        let rows = format!("c;q;p\na;{};2026-03-01\na;{later};2026-04-01\n", 10 * (hospital + 1));
        std::fs::write(deployment.home(hospital).join("use.csv"), rows).unwrap();
    }
}

fn deployed() -> Deployment {
    let deployment = Template::make(HOSPITALS, 0, Pace::quick()).deploy();
    for hospital in 0..HOSPITALS {
        let file = deployment.home(hospital).join("node.toml");
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        let extract = "[[extract]]\ndataset = \"use\"\nfile = \"use.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
                       decimal = \",\"\ndate = \"%Y-%m-%d\"\nunit = \"piece\"\n[extract.columns]\ncode = \"c\"\n\
                       quantity = \"q\"\nperiod = \"p\"\n";
        file.write_all(extract.as_bytes()).unwrap();
    }
    write_rows(&deployment, 1);
    deployment
}

fn query(id: &str, time: &str) -> String {
    format!(
        "[query]\nid = \"{id}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
         dataset = \"use\"\n[population]\nwhere = \"{time}\"\n[[measure]]\nname = \"used\"\nsum = \"quantity\"\n\
         unit = \"piece\"\nscale = 0\nrange = [0, 1000]\n"
    )
}

/// The total, and how many stand behind it; at the first attempt.
fn sum(deployment: &Deployment, warrant: &str) -> (String, usize) {
    let facts = deployment.asked(&["query", "run", warrant, "--wait"]).unwrap();
    let total = facts["summary"]["totals"][0]["value"].as_str().unwrap_or_default().to_owned();
    assert_eq!(facts["summary"]["attempt"], 0, "nobody is asked what he would refuse: {facts}");
    (total, facts["summary"]["survivors"].as_array().map_or(0, Vec::len))
}

#[test]
fn a_month_that_is_over_is_asked_of_the_same_hospitals_under_every_warrant() {
    let mut deployment = deployed();
    deployment.serve();
    let march = "period = '2026-03-01'";
    let first = deployment.approved(&query("march", march));
    let again = deployment.approved(&query("march-again", march));
    let april = deployment.approved(&query("april", "period = '2026-04-01'"));
    (0..3).for_each(|hospital| deployment.start(hospital, &[]));
    deployment.linked(3, Duration::from_secs(30));
    deployment.next_slot();
    assert_eq!(sum(&deployment, &first), ("60".to_owned(), 3));

    // The fourth is there, and all have another extract, in which March is as it was.
    deployment.start(3, &[]);
    deployment.linked(4, Duration::from_secs(30));
    write_rows(&deployment, 2);
    deployment.next_slot();
    assert_eq!(sum(&deployment, &again), ("60".to_owned(), 3), "the fourth is not in it");
    write_rows(&deployment, 3);
    deployment.next_slot();
    assert_eq!(sum(&deployment, &april), ("12".to_owned(), 4), "April shares no row with March");

    // Without one of the three nobody is asked.
    let third = deployment.approved(&query("march-once-more", march));
    deployment.kill(1);
    deployment.linked(3, Duration::from_secs(60));
    write_rows(&deployment, 4);
    deployment.next_slot();
    let told = deployment.refused(&["query", "run", &third, "--wait"]);
    assert!(
        told.contains("these 3 hospitals took part before in `march") && told.contains("node 2"),
        "{told}"
    );
    assert!(told.contains("a time that is over"), "{told}");
}
