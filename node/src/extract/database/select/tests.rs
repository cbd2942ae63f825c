//! What may stand in a file of one SELECT, and what may not, with its place.

use super::*;

#[test]
fn one_select_is_taken_as_it_stands() {
    for text in [
        "SELECT a, b FROM t",
        "select 1 as \"Code\", 2.50::numeric(10,2) as q",
        "-- nightly\nSELECT a /* ; */ FROM t -- ; INSERT\n",
        "WITH x AS (SELECT * FROM t WHERE d > now() - interval '1 day') SELECT a FROM x UNION ALL SELECT b FROM y",
        "(SELECT a FROM t)",
        "SELECT a, count(*) FILTER (WHERE b) FROM t GROUP BY a HAVING count(*) > 1 ORDER BY 1 LIMIT 5",
        "SELECT ';' AS a, $$; DROP TABLE t$$ AS b, e'\\'; DELETE' AS c FROM \"insert\" AS \"into\"",
        "SELECT v.code FROM (VALUES ('a', 1), ('b', 2)) AS v (code, n) JOIN LATERAL (SELECT 1) l ON true",
        "SELECT a FROM t WHERE a IN (SELECT b FROM u WHERE EXISTS (SELECT 1)) AND x @> '{}'::jsonb",
        "SELECT \"update\", t.delete FROM t",
        "SELECT a, sum(q) OVER (PARTITION BY p ORDER BY d ROWS UNBOUNDED PRECEDING) FROM t AT",
    ] {
        assert_eq!(judge(text), Ok(text), "{text}");
        for ended in [format!("{text}\n;"), format!("{text}\n ; ;\n-- end\n")] {
            let before = judge(&ended).unwrap_or_else(|unfit| panic!("{ended}: {unfit:?}"));
            assert_eq!(before.trim_end(), text.trim_end(), "{ended}");
        }
    }
}

#[test]
fn the_shipped_sample_is_one_select() {
    let sample = include_str!("../../../../../deploy/config/stock.sql");
    assert_eq!(judge(sample).map(str::trim_end), Ok(sample.trim_end().trim_end_matches(';')));
}

#[test]
fn anything_else_is_refused_with_its_place() {
    for (text, line, column, what) in [
        ("SELECT 1;\n  SELECT 2", 2, 3, "a second statement"),
        ("SELECT 1; DROP TABLE t", 1, 11, "a second statement"),
        ("SELECT 1;;\n\nCOMMIT;", 3, 1, "a second statement"),
        ("INSERT INTO t VALUES (1)", 1, 1, "`INSERT` where SELECT or WITH"),
        ("\n update t set a = 1", 2, 2, "`update` where SELECT or WITH"),
        ("DELETE FROM t RETURNING *", 1, 1, "`DELETE` where SELECT or WITH"),
        ("TRUNCATE t", 1, 1, "`TRUNCATE` where"),
        ("COPY t TO PROGRAM 'cat'", 1, 1, "`COPY` where"),
        ("EXPLAIN ANALYZE SELECT 1", 1, 1, "`EXPLAIN` where"),
        ("DO $$ BEGIN END $$", 1, 1, "`DO` where"),
        ("CALL p()", 1, 1, "`CALL` where"),
        ("VALUES (1, 2)", 1, 1, "`VALUES` where"),
        ("TABLE t", 1, 1, "`TABLE` where"),
        ("SET ROLE postgres", 1, 1, "`SET` where"),
        ("\"select\" 1", 1, 1, "where SELECT or WITH"),
        ("SELECT a\n  INTO u FROM t", 2, 3, "INTO, which makes a table"),
        ("SELECT * FROM (SELECT a INTO u FROM t) x", 1, 25, "INTO"),
        ("SELECT a FROM t\nFOR UPDATE", 2, 1, "locks rows"),
        ("SELECT a FROM t FOR NO KEY UPDATE", 1, 21, "no SELECT that can be read"),
        ("SELECT a FROM (SELECT * FROM t FOR SHARE) x", 1, 32, "locks rows"),
        (
            "WITH x AS (SELECT 1 AS update),\n y AS (DELETE FROM t RETURNING *) SELECT * FROM y",
            2,
            8,
            "that writes",
        ),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM x", 1, 12, "that writes"),
        (
            "SELECT * FROM t WHERE a IN (WITH y AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM y)",
            1,
            40,
            "writes",
        ),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", 1, 22, "that writes"),
        ("SELECT a FROM t WHERE b = $1", 1, 27, "a parameter"),
        ("SELECT a FROM t) TO STDOUT; --", 1, 16, "`)` behind the SELECT"),
        ("SELECT a FROM t WHERE\n", 0, 0, "no SELECT that can be read"),
        ("SELECT a FROM t\nGRUOP BY a", 2, 7, "`BY` behind the SELECT"),
        ("SELECT 'a", 1, 8, "no SQL: Unterminated string"),
        ("SELECT /* a", 0, 0, "no SQL"),
        ("", 0, 0, "nothing in it"),
        ("-- nothing\n;", 0, 0, "nothing in it"),
        ("SELECT 1\0", 0, 0, "a NUL"),
    ] {
        let unfit = judge(text).expect_err(text);
        assert!(unfit.what.contains(what), "{text}: {unfit:?}");
        if line > 0 {
            assert_eq!(unfit.place, Some((line, column)), "{text}: {unfit:?}");
        }
    }
}

#[test]
fn a_long_or_deep_file_ends_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sql");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Select::read(&path).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let chain = format!("SELECT 1{}", "+1".repeat(32_000));
    assert_eq!(told(&chain), "");
    assert!(told(&format!("{chain}{}", "+1".repeat(2_000))).contains("longer than 64 KiB"));
    let deep = format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000));
    assert!(told(&deep).contains("brackets too deep in each other"));
    assert!(told("\u{feff}SELECT a FROM t FOR UPDATE").contains("v.sql:1:17: FOR UPDATE or FOR SHARE"));
    std::fs::write(&path, b"SELECT '\xe9'").unwrap();
    assert!(Select::read(&path).err().unwrap().to_string().contains("no UTF-8 text; save it as UTF-8"));
    std::fs::remove_file(&path).unwrap();
    let absent = Select::read(&path).err().unwrap().to_string();
    assert!(absent.contains("opening the SELECT") && absent.contains("check the path"), "{absent}");
}
