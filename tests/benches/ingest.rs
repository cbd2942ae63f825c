//! Speed of a hospital's extract: read, frozen, asked, each beside its limit on the same bytes.
//!
//! Makes a stock file of SAMENSOM_BENCH_ROWS rows (5,000,000) of SAMENSOM_BENCH_WIDTH bytes at least (0: as
//! they come, some 100) below SAMENSOM_BENCH_FOLDER, lets the reading child freeze it as the service does, and
//! asks for lists of codes. Prints figures; nothing fails by being slow. The child is this program itself.

use samensom_node::extract::{
    ExtractConfig, Frozen, Home, Reader, Snapshots, Stop, VERB, count, evaluate, read_as_child,
};
use samensom_protocol::query::{Counting, Query};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Codes in the file; every one has rows.
const CODES: u64 = 20_000;

const CONFIG: &str = r#"{ "dataset": "stock", "file": "stock.csv", "encoding": "utf-8", "separator": ";",
    "decimal": ",", "date": "%d-%m-%Y", "unit": "piece", "columns": { "code": "Artikel", "quantity": "Voorraad",
    "kind": "Soort", "expiry": "Houdbaar", "location": "Plaats", "owner": "Eigenaar", "as_of": "Peildatum" } }"#;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(VERB) {
        return ExitCode::from(read_as_child());
    }
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let rows = number("SAMENSOM_BENCH_ROWS", 5_000_000);
    let width = number("SAMENSOM_BENCH_WIDTH", 0);
    let place = std::env::var_os("SAMENSOM_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(place).expect("a folder");
    let file = folder.path().join("stock.csv");
    generate(&file, rows, usize::try_from(width).expect("a width"));
    let bytes = file.metadata().expect("the file").len();
    println!("{rows} rows, {:.0} MB, {} bytes a row, {CODES} codes", mb(bytes), bytes / rows.max(1));
    // Once without a clock, so that no measurement pays for the disk alone.
    read_all(&file);
    speed("reading the same bytes", bytes, read_all(&file), "the limit");
    speed("CSV cells alone", bytes, cells(&file), "the limit of any parser here");
    let configs: Vec<ExtractConfig> = vec![serde_json::from_str(CONFIG).expect("the description above")];
    let reader = Reader::Child(std::env::current_exe().expect("this program"));
    cancel(&configs, folder.path(), &reader);
    let snapshots = Snapshots::of_state(folder.path());
    let (frozen, took, used) = freeze(&snapshots, &configs, folder.path(), &reader);
    speed("whole ingest, to a durable snapshot", bytes, took, "goal 40 MB/s");
    // What is left of that on a machine that does nothing else: the rest of the time others had the processor.
    speed("the same by processor time of its main thread", bytes, used.main, "");
    println!("{:<44} {:>9.1} s", "processor time of all its threads", used.all);
    println!("{:<44} {:>9} MB       goal 256 MB", "resident peak of the reading child", used.peak_mb);
    let stored = frozen.path().metadata().expect("the snapshot").len();
    println!("{:<44} {:>9.0} MB", "snapshot", mb(stored));
    time("reading it through (once per process)", || Frozen::open(frozen.path()).map(drop).expect("sound"));
    let goal = if rows > 5_000_000 { "goal 10 s for 50 M rows" } else { "goal 1.0 s for 5 M rows" };
    for codes in [16, 1_000, CODES] {
        both_passes(&format!("sum, rows and holders of {codes} codes"), &query(codes, ""), &frozen, goal);
    }
    let kinds = "[[dimension]]\ncolumn = \"kind\"\ncodes = [\"regular\", \"ccv\", \"import\", \"own\"]\n";
    let query = query(1_000, kinds);
    both_passes("the same of 1000 codes by 4 kinds", &query, &frozen, goal);
    for codes in [16, 1_000] {
        for (name, measure) in MEASURES {
            let query = asked("stock", codes, "", measure);
            both_passes(&format!("{name} of {codes} codes"), &query, &frozen, goal);
        }
    }
    drop(frozen);
    care(folder.path(), rows, &reader);
    ExitCode::SUCCESS
}

/// What the value pass and the count pass of a query take, each with the peak of memory.
fn both_passes(name: &str, query: &Query, frozen: &Frozen, goal: &str) -> Vec<i64> {
    let mut figures = Vec::new();
    let used = measured(|| figures = evaluate(query, frozen).expect("figures"));
    println!("{name:<44} {:>9.3} s {:>4} MB   {goal}; 256 MB", used.0, used.1);
    let counting = Counting::of(query, query.floor_patients() > 0).expect("lanes");
    let stop = Stop::default();
    let home = Home { configs: &[], base_dir: Path::new("."), stop: &stop };
    let now = samensom_node::clock::now();
    let mut lanes = Vec::new();
    let used =
        measured(|| lanes = count(query, frozen, now, (&counting, ENOUGH, None), &home).expect("lanes"));
    let name = format!("  its count pass: {} lanes, {} of them 1", lanes.len(), lanes.iter().sum::<i64>());
    println!("{name:<44} {:>9.3} s {:>4} MB   {goal}; 256 MB", used.0, used.1);
    figures
}

/// Seconds, and the resident peak of this program in MB from its beginning to its end.
fn measured(work: impl FnOnce()) -> (f64, u64) {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let took = seconds(work);
    (took, look(&std::process::id().to_string()).map_or(0, |used| used.peak_mb))
}

/// So many patients of this hospital are enough: a floor of 10 over 3 hospitals.
const ENOUGH: u32 = 4;

/// Every other kind of measure, alone.
const MEASURES: [(&str, &str); 6] = [
    (
        "sum that computes",
        "sum = \"quantity * (expiry - as_of)\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9000000000000]\n",
    ),
    (
        "histogram of rows",
        "histogram = \"quantity\"\nper = \"row\"\nunit = \"piece\"\nbins = [10, 100, 1000]\n",
    ),
    (
        "histogram of hospitals",
        "histogram = \"sum(quantity) / count(*)\"\nunit = \"piece\"\nbins = [10, 100, 1000]\n",
    ),
    (
        "moments of rows",
        "moments = \"quantity\"\nper = \"row\"\nunit = \"piece\"\nscale = 0\nrange = [0, 100000]\n",
    ),
    (
        "regression of rows on one predictor",
        "regression = \"quantity\"\non = [\"expiry - as_of\"]\nper = \"row\"\nunit = \"piece\"\nscale = 0\nrange = [0, 100000]\n",
    ),
    ("survival of rows", "survival = \"expiry - as_of\"\nevent = \"kind = 'ccv'\"\nbins = [30, 300, 900]\n"),
];

/// Patients of as many administrations, a quarter as many people: counted exactly, within memory.
fn care(folder: &Path, rows: u64, reader: &Reader) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(folder.join("care.csv")).expect("the file"));
    writeln!(out, "person;code;at;quantity;unit").expect("written");
    let mut state = 7_u64;
    let mut pick = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let people = (rows / 4).max(1);
    for _ in 0..rows {
        let (person, code, day) = (pick(people), pick(1_000), 1 + pick(28));
        writeln!(out, "p{person:012};{:08};2026-10-{day:02};{};mg", 90_000_000 + code, 1 + pick(900))
            .expect("written");
    }
    out.flush().expect("written");
    drop(out);
    let config = r#"{ "dataset": "administration", "file": "care.csv", "encoding": "utf-8", "separator": ";", "decimal": ",",
        "date": "%Y-%m-%d", "unit_column": "unit", "columns": { "person": "person", "code": "code", "at": "at", "quantity": "quantity" } }"#;
    let configs: Vec<ExtractConfig> = vec![serde_json::from_str(config).expect("the description above")];
    let (frozen, took, used) = freeze(&Snapshots::of_state(&folder.join("care")), &configs, folder, reader);
    println!("{rows} administrations of {people} people frozen in {took:.1} s, peak {} MB", used.peak_mb);
    for (name, dimension) in [
        ("patients, all rows in one cell", String::new()),
        (
            "patients of 1000 codes",
            format!("[[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n", listed(1_000, 1)),
        ),
    ] {
        let text = format!(
            "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"quality\", \
             dataset = \"administration\" }}\nfloors = {{ hospitals = 1, patients = 10 }}\n{dimension}\
             [[measure]]\nname = \"patients\"\npatients = true\nmax = 100000000\n\
             [[measure]]\nname = \"h\"\nhospitals = \"count(*) > 0\"\n"
        );
        let query =
            Query::from_toml(&text, &mut |_| Err(String::new())).unwrap_or_else(|error| panic!("{error}"));
        let figures = both_passes(name, &query, &frozen, "no goal");
        println!("{:<44} {:>9}", "  in the first cell", figures[0]);
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn time(what: &str, work: impl FnOnce()) {
    println!("{what:<44} {:>9.3} s", seconds(work));
}

fn speed(what: &str, bytes: u64, took: f64, beside: &str) {
    println!("{what:<44} {:>9.1} MB/s {took:>8.2} s  {beside}", mb(bytes) / took);
}

fn generate(path: &Path, rows: u64, width: usize) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("the file"));
    writeln!(out, "Artikel;Omschrijving;Voorraad;Soort;Houdbaar;Plaats;Eigenaar;Peildatum;Toelichting")
        .expect("written");
    let mut state = 42_u64;
    let mut pick = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let kinds = ["regular", "regular", "regular", "regular", "ccv", "import", "own"];
    let mut row = String::new();
    for number in 0..rows {
        use std::fmt::Write as _;
        row.clear();
        let code = if number < CODES { number } else { pick(CODES) };
        let (whole, part) = (pick(5_000), pick(100));
        let kind = kinds[usize::try_from(pick(7)).expect("small")];
        let (day, month, year) = (1 + pick(28), 1 + pick(12), 2027 + pick(3));
        let (place, owner) =
            (pick(40), ["", "", "", "groothandel"][usize::try_from(pick(4)).expect("small")]);
        write!(
            row,
            "{:08};Injectievloeistof {code} mg/ml 10 ml;{whole},{part:02};{kind};{day:02}-{month:02}-{year};\
             apotheek {place};{owner};22-11-2026;",
            90_000_000 + code
        )
        .expect("written");
        while row.len() + 1 < width {
            row.push('x');
        }
        row.push('\n');
        out.write_all(row.as_bytes()).expect("written");
    }
    out.flush().expect("written");
}

fn read_all(path: &Path) -> f64 {
    let mut buffer = vec![0; 1 << 20];
    seconds(|| {
        let mut file = File::open(path).expect("the file");
        while file.read(&mut buffer).expect("read") > 0 {}
    })
}

fn cells(path: &Path) -> f64 {
    seconds(|| {
        let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_path(path).expect("the file");
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).expect("read") {}
    })
}

/// How long a reading takes to end once it is no longer wanted; a short file may be read before.
fn cancel(configs: &[ExtractConfig], folder: &Path, reader: &Reader) {
    let (stop, asked) = (Stop::default(), Arc::new(AtomicU64::new(0)));
    let (from, start) = (Arc::clone(&asked), Instant::now());
    let now = move || u64::try_from(start.elapsed().as_micros()).expect("short");
    let stopper = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2_000));
            from.store(now(), Ordering::SeqCst);
            stop.now();
        })
    };
    let snapshots = Snapshots::of_state(&folder.join("cancelled"));
    let ended = snapshots.of_slot(reader, configs, folder, ("bench", 1), samensom_node::clock::now(), &stop);
    let took = now().saturating_sub(asked.load(Ordering::SeqCst));
    match ended {
        Err(_) => println!("{:<44} {:>9.3} s        goal 1 s", "cancelled in the middle", took as f64 / 1e6),
        Ok(_) => println!("{:<44} {:>9}", "cancelled in the middle", "too short"),
    }
    stopper.join().expect("the stopper ends");
}

/// What the reading child took.
#[derive(Clone, Copy, Default)]
struct Used {
    peak_mb: u64,
    main: f64,
    all: f64,
}

fn freeze(
    snapshots: &Snapshots,
    configs: &[ExtractConfig],
    folder: &Path,
    reader: &Reader,
) -> (Frozen, f64, Used) {
    let over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let (mut used, mut child) = (Used::default(), None);
            while !over.load(Ordering::SeqCst) {
                child = child.or_else(child_of_this);
                if let Some(now) = child.as_ref().and_then(|id: &String| look(id)) {
                    used = now;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            used
        })
    };
    let start = Instant::now();
    let frozen = snapshots.of_slot(
        reader,
        configs,
        folder,
        ("bench", 1),
        samensom_node::clock::now(),
        &Stop::default(),
    );
    let took = start.elapsed().as_secs_f64();
    over.store(true, Ordering::SeqCst);
    let used = watcher.join().expect("the watcher ends");
    (frozen.unwrap_or_else(|error| panic!("{error}")), took, used)
}

fn child_of_this() -> Option<String> {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut ours = entries.filter(|entry| {
        std::fs::read_to_string(entry.path().join("status")).is_ok_and(|status| status.contains(&parent))
    });
    ours.next().map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// What a process took so far; none once it has ended.
fn look(id: &str) -> Option<Used> {
    let text = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).ok();
    let peak = text("status")?.split("VmHWM:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()?;
    // Hundredths of a second in user and in system, the 14th and 15th word; the name before has no spaces.
    let seconds = |stat: String| {
        let words: Vec<f64> = stat.split(' ').skip(13).take(2).filter_map(|word| word.parse().ok()).collect();
        words.iter().sum::<f64>() / 100.0
    };
    let main = seconds(text(&format!("task/{id}/stat"))?);
    Some(Used { peak_mb: peak / 1024, main, all: seconds(text("stat")?) })
}

fn query(codes: u64, dimension: &str) -> Query {
    // Spread over all of them, as a list by substance is.
    let measures = "sum = \"quantity\"\nunit = \"piece\"\nscale = 3\nrange = [0, 1000000000]\n\
         [[measure]]\nname = \"rows\"\nrows = true\n\
         [[measure]]\nname = \"holders\"\nhospitals = \"sum(quantity) > 0\"\nunit = \"piece\"\n";
    asked("stock", codes, dimension, measures)
}

fn listed(codes: u64, step: u64) -> String {
    let list: Vec<String> = (0..codes).map(|at| format!("\"{:08}\"", 90_000_000 + at * step)).collect();
    list.join(", ")
}

fn asked(dataset: &str, codes: u64, dimension: &str, measure: &str) -> Query {
    let text = format!(
        "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"stock\", \
         dataset = \"{dataset}\" }}\n[population]\nwhere = \"expiry > '2027-06-01'\"\n\
         [[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n{dimension}[[measure]]\nname = \"stock\"\n{measure}",
        listed(codes, CODES / codes)
    );
    Query::from_toml(&text, &mut |_| Err("no files here".to_owned()))
        .unwrap_or_else(|error| panic!("{error}"))
}
