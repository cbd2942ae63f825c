//! A whole session without network: what each side computes, beside what its primitives alone cost.
//!
//! Limit: every word of mask expanded and added in one tight loop, every byte of report hashed once, every
//! signature verified once; dealing, encodings and sharing are on top. `SAMENSOM_BENCH=quick` is a smoke test.

#[path = "measure/limit.rs"]
mod limit;
#[path = "measure/stage.rs"]
mod stage;
#[path = "measure/table.rs"]
mod table;

use limit::Limit;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stage::{ROUNDS, Ran, Rounds, Stage};
use std::time::Duration;
use table::{Goal, Line, heading, median, quick, said, sample};

const N: u16 = 69;
/// Most bytes the coordinator should hold.
const MEMORY: u64 = 128 << 20;

/// Words of mask, bytes of report and signatures of one part.
struct Work {
    words: u64,
    bytes: u64,
    signatures: u32,
}

impl Work {
    fn limit(&self, limit: &Limit) -> Duration {
        limit.words(self.words) + limit.bytes(self.bytes) + limit.verified(self.signatures)
    }
}

/// What a node cannot do without, up to its shares; and to verify the result.
fn of_node(stage: &Stage, survivors: u16) -> (Work, Work) {
    let (cells, report) = sizes(stage);
    let (n, left) = (u64::from(N), u64::from(survivors));
    let gone = n - left;
    let given = Work {
        words: n * cells,
        bytes: report,
        // Header, two approvals, START, GO, FREEZE, CERT, ASK-B; dealers, READYs, reports, confirmations.
        signatures: 8 + 2 * u32::from(N) + 2 * u32::from(survivors),
    };
    let checked = Work { words: (left + left * gone) * cells, bytes: left * report, signatures: 1 };
    (given, checked)
}

/// What the coordinator cannot do without.
fn of_coordinator(stage: &Stage, survivors: u16) -> Work {
    let (cells, report) = sizes(stage);
    let (left, gone) = (u64::from(survivors), u64::from(N - survivors));
    let signatures = 2 * u32::from(N) + 2 * u32::from(survivors);
    Work { words: (left + left * gone) * cells, bytes: left * report, signatures }
}

fn sizes(stage: &Stage) -> (u64, u64) {
    let params = stage.warrant.params();
    (u64::from(params.cells), u64::try_from(params.report_len()).unwrap_or(0))
}

/// Medians by round.
fn rounds(all: &[Rounds]) -> Rounds {
    std::array::from_fn(|round| median(all.iter().map(|one| one[round]).collect()))
}

fn by_round(who: &str, rounds: &Rounds) {
    let part = |(name, time): (&&str, &Duration)| format!("{name} {:.3}", time.as_secs_f64() * 1e3);
    let parts: Vec<String> = ROUNDS.iter().zip(rounds).map(part).collect();
    println!("    {who} by round, ms: {}", parts.join(", "));
}

fn report(stage: &Stage, dropped: u16, ran: &[Ran], limit: &Limit) {
    let cells = stage.warrant.params().cells;
    let left = N - dropped;
    let line = |what, median, limit, goal| Line { what, n: N, cells, dropped, median, limit, goal }.print();
    let nodes: Vec<Rounds> = ran.iter().flat_map(|one| one.nodes.iter().copied()).collect();
    let given = |one: &Rounds| one.iter().take(5).sum::<Duration>();
    let (work, check) = of_node(stage, left);
    let goal = match cells {
        1_000 => Goal::Ms(9),
        100_000 => Goal::Ms(15),
        _ => Goal::None,
    };
    line("node, to its shares", median(nodes.iter().map(given).collect()), work.limit(limit), goal);
    let check = check.limit(limit);
    line("node, result recomputed", median(nodes.iter().map(|one| one[5]).collect()), check, Goal::None);
    let whole = median(nodes.iter().map(|one| one.iter().sum()).collect());
    line("node, all of it", whole, work.limit(limit) + check, Goal::None);
    let goal = match (cells, dropped) {
        (100_000, 0) => Goal::Ms(60),
        (100_000, 23) => Goal::Ms(160),
        _ => Goal::None,
    };
    let coordinated: Vec<Rounds> = ran.iter().map(|one| one.coordinator).collect();
    let spent = median(coordinated.iter().map(|one| one.iter().sum()).collect());
    let work = of_coordinator(stage, left);
    line("coordinator, without I/O", spent, work.limit(limit), goal);
    let all = median(ran.iter().map(|one| one.all).collect());
    let each = of_node(stage, left);
    let verified = u32::try_from(ran.iter().map(|one| one.nodes.len()).max().unwrap_or(0)).unwrap_or(0);
    let least = work.limit(limit) + each.0.limit(limit) * u32::from(left) + each.1.limit(limit) * verified;
    line("whole session, every machine on one core", all, least, Goal::None);
    bundle(stage, dropped, &ran[0]);
    by_round("node", &rounds(&nodes));
    by_round("coordinator", &rounds(&coordinated));
}

/// What anyone does with the result's bundle: one pass, on one core; without reading the file.
fn bundle(stage: &Stage, dropped: u16, ran: &Ran) {
    let (cells, bundle) = (stage.warrant.params().cells, stage.bundle(ran));
    let goal = match cells {
        1_000 => Goal::Ms(30),
        1_000_000 => Goal::Ms(2_500),
        _ => Goal::None,
    };
    let runs = if cells > 100_000 { 3 } else { 20 };
    let median =
        sample(runs, || (), |()| drop(bundle.verify(&mut ChaCha20Rng::seed_from_u64(1)).expect("a bundle")));
    let what = "bundle verified, one pass";
    Line { what, n: N, cells, dropped, median, limit: Duration::ZERO, goal }.print();
}

/// Most bytes that the coordinator's machine holds at once, with the one input and its outputs.
fn memory(stage: &Stage, dropped: u16, ran: &Ran) {
    let held = allocation_counter::measure(|| stage.again(&ran.given)).bytes_max;
    let (cells, mb) = (stage.warrant.params().cells, |bytes: u64| bytes as f64 / f64::from(1 << 20));
    println!(
        "coordinator's memory, n = {N}, L = {cells}, {dropped} dropped: {:.1} MB; the vector alone {:.1} MB; goal 128 MB: {}",
        mb(held),
        mb(8 * u64::from(cells)),
        said(held <= MEMORY),
    );
}

fn main() {
    let quick = quick();
    heading("session");
    let limit = Limit::measure();
    limit.print();
    let plan: &[(u32, usize)] =
        if quick { &[(14, 1), (1_000, 1)] } else { &[(14, 3), (1_000, 5), (100_000, 3), (1_000_000, 1)] };
    let only = std::env::var("SAMENSOM_CELLS").ok().and_then(|cells| cells.parse::<u32>().ok());
    for (cells, runs) in plan.iter().filter(|(cells, _)| only.is_none_or(|only| only == *cells)) {
        let stage = Stage::new(N, *cells);
        for dropped in [0, 7, 23] {
            // Who verifies a million cells of 69 reports takes most of a second.
            let verifiers = if *cells > 100_000 { 3 } else { usize::from(N) };
            let mut ran: Vec<Ran> =
                (0..*runs).map(|run| stage.run(dropped, verifiers, run == 0 && *cells > 100_000)).collect();
            report(&stage, dropped, &ran, &limit);
            if *cells > 100_000 {
                memory(&stage, dropped, &ran.remove(0));
            }
        }
    }
}
