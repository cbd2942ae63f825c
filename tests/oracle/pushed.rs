//! Every query over rows that stay in a database is answered as over the snapshot, and as the oracle answers it.
//!
//! `SAMENSOM_PUSHED_CASES` queries (3,600 when it is not set) from `SAMENSOM_PUSHED_SEED` on. Where there is no
//! PostgreSQL server it says so.

use super::set;
use samensom_tests::oracle::{Met, run_pushed, unmet};
use samensom_tests::postgres::Server;

#[test]
fn a_query_that_is_pushed_down_gives_the_figures_of_the_snapshot_and_of_the_oracle() {
    let what = "a_query_that_is_pushed_down_gives_the_figures_of_the_snapshot_and_of_the_oracle";
    let Some(server) = Server::start(what) else { return };
    let begun = std::time::Instant::now();
    let chosen = set("SAMENSOM_PUSHED_CASES");
    let (seed, cases) = (set("SAMENSOM_PUSHED_SEED").unwrap_or(1), chosen.unwrap_or(3_600));
    let mut met = Met::new();
    // In two threads, of seeds that are far apart.
    std::thread::scope(|scope| {
        let threads = [seed, seed.wrapping_add(1 << 32)].map(|seed| {
            scope.spawn({
                let server = &server;
                move || run_pushed(server, seed, cases / 2)
            })
        });
        for thread in threads {
            let own = thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why));
            own.into_iter().for_each(|(what, times)| *met.entry(what).or_default() += times);
        }
    });
    for (what, times) in &met {
        println!("{times:>8}  {what}");
    }
    println!("{:?}", begun.elapsed());
    if chosen.is_none() {
        let wanted = [
            "data set stock",
            "data set use",
            "data set orders",
            "data set administration",
            "data set admission",
            "data set result",
            "measure Sum",
            "measure Rows",
            "measure Hospitals",
            "measure Patients",
            "measure Histogram",
            "measure Moments",
            "measure Regression",
            "measure Survival",
            "counted before it is summed",
            "a condition that computes",
            "a condition that the server judges",
            "a dimension of codes",
            "a dimension of classes",
            "absent values in a cell",
            "absent values in no cell",
            "refused: several units",
            "refused: ForeignUnit",
            "refused: FigureOutOfRange",
            "refused: ValueOutOfRange",
        ];
        assert_eq!(unmet(&met, wanted), Default::default());
    }
}
