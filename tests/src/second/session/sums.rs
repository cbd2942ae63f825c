//! What opens a sum: polynomials from revealed shares, seeds from recovery lists, masks taken off; and what
//! a vector tells of an attempt.
//!
//! Nothing here uses what a dealer drew: a sum is opened by what was revealed.

use super::attempt::Attempt;
use super::*;
use crate::second::commitments::{mask_blindings, opens};

/// The polynomial of a dealer's secret, from t_s revealed shares; the others must lie on it.
fn reconstruct(shares: Option<&BTreeMap<u16, Scalar>>, threshold: u16) -> Checked<Vec<Scalar>> {
    let points: Vec<(u16, Scalar)> = shares.ok_or("no shares")?.iter().map(|(x, y)| (*x, *y)).collect();
    let first = points.get(..usize::from(threshold)).ok_or("too few shares")?;
    let f = interpolate(first);
    if points.iter().any(|(x, y)| at(&f, *x) != *y) {
        return Err("a share is off its polynomial".to_owned());
    }
    Ok(f)
}

/// The opened secret of every member of the cohort, as RESULT shows it.
pub fn opened(attempt: &Attempt, session: &Session) -> Checked<Vec<Value>> {
    let one = |id: &u16| {
        let survived = attempt.survivors.contains(id);
        let shares = if survived { &attempt.b } else { &attempt.r };
        let f = reconstruct(shares.get(id), session.facts.shares)?;
        let (mut recovery, mut recovery_path) = (hex([]), Vec::new());
        if !survived {
            let dealt = attempt.of(*id)?;
            recovery = dealt.deposit["recovery"].clone();
            recovery_path = path(&dealt.tree, dealt.tree.len() - 1).iter().map(hex).collect();
        }
        let polynomial: Vec<Value> = f.iter().map(|c| hex(c.to_bytes())).collect();
        Ok(json!({
            "dealer": id, "polynomial": polynomial, "recovery": recovery, "recovery_path": recovery_path,
        }))
    };
    attempt.cohort.iter().map(one).collect()
}

/// T and R: the reports, without the masks that were opened; they open the sum of the commitments.
pub fn total(attempt: &Attempt, session: &Session) -> Checked<(Vec<u64>, Vec<Scalar>)> {
    let go = attempt.go.ok_or("before GO")?;
    let cells = attempt.bounds.len();
    let mut lanes = vec![0u64; cells];
    let mut blindings = vec![Scalar::ZERO; cells.div_ceil(1024)];
    let (mut seeds, mut all) = (Vec::new(), Vec::new());
    for id in &attempt.survivors {
        let packed = attempt.packed.get(id).ok_or("no report")?;
        let report = unpack(packed, cells, attempt.width);
        lanes.iter_mut().zip(report).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
        let b = reconstruct(attempt.b.get(id), session.facts.shares)?[0];
        let masked = attempt.blindings.get(id).ok_or("no report")?;
        blindings.iter_mut().zip(masked).for_each(|(sum, masked)| *sum += masked);
        seeds.push((own_seed(&b, &go, *id), false));
        all.push(attempt.of(*id)?.commitments.clone());
    }
    for dropout in attempt.cohort.iter().filter(|id| !attempt.survivors.contains(id)) {
        let r = reconstruct(attempt.r.get(dropout), session.facts.shares)?[0];
        let key = derive(&r.to_bytes(), "list", &attempt.sid);
        let list = open(&key, &bytes(&attempt.of(*dropout)?.deposit["recovery"])?)?;
        for ((other, _), sigma) in attempt.invited.iter().zip(list.chunks(32)) {
            if !attempt.survivors.contains(other) {
                continue;
            }
            let sigma: Hash = sigma.try_into().map_err(|_| "a short list")?;
            let known = attempt.of(*other)?.deposit["sections"][usize::from(attempt.position(*dropout)?) - 1]
                ["pair"]
                .clone();
            same("pair", &known, &hex(pair_commitment(&sigma, *other, *dropout, &attempt.sid)))?;
            seeds.push((derive(&sigma, "pair", &go), other > dropout));
        }
    }
    for (seed, plus) in seeds {
        mask(&mut lanes, &seed, plus);
        mask_blindings(&mut blindings, &seed, plus);
    }
    reduce(&mut lanes, attempt.width);
    if !opens(&vec![None; lanes.len()], &all, &lanes, &blindings)? {
        return Err("the total is not what was committed to".to_owned());
    }
    Ok((lanes, blindings))
}

/// An attempt as a vector tells it, as far as it came.
pub fn told(attempt: &Attempt, session: &Session) -> Checked<Value> {
    let invited: Vec<u16> = attempt.invited.iter().map(|(id, _)| *id).collect();
    let deposits = attempt.dealt.iter().map(|(id, dealt)| {
        let d = |second| challenge(&attempt.sid, *id, session.facts.shares, &dealt.leaves, second);
        json!({
            "node": id, "deposit": hex(dealt.root), "r": hex(dealt.f_r[0].to_bytes()),
            "b": hex(dealt.f_b[0].to_bytes()), "leaves": hex(dealt.leaves), "blinding": hex(dealt.blindings[0].to_bytes()),
            "commitment": hex(dealt.commitments[0]), "lanes": dealt.lanes, "contribution": dealt.deposit["head"]["contribution"],
            "d_r": hex(d(false).to_bytes()), "d_b": hex(d(true).to_bytes()),
        })
    });
    let mut told = json!({
        "sid": hex(attempt.sid), "session": hex(attempt.session), "attempt": attempt.header["attempt"],
        "invited": invited, "deposits": deposits.collect::<Vec<_>>(), "pairs": pairs(attempt),
    });
    if let Some(start) = attempt.start {
        told["cohort"] = json!(attempt.cohort);
        told["start"] = hex(start);
    }
    let Some(go) = attempt.go else { return Ok(told) };
    told["go"] = hex(go);
    let members = attempt.dealt.iter().filter(|(id, _)| attempt.cohort.contains(id));
    let own =
        members.map(|(id, dealt)| json!({ "node": id, "seed": hex(own_seed(&dealt.f_b[0], &go, *id)) }));
    told["own_mask_seeds"] = own.collect();
    let reports = attempt.packed.iter().map(|(id, packed)| {
        let masked = unpack(packed, attempt.bounds.len(), attempt.width);
        let blindings = attempt.blindings[id].iter().map(|one| hex(one.to_bytes()));
        json!({
            "node": id, "packed": hex(packed), "masked": masked, "blindings": blindings.collect::<Vec<_>>(),
        })
    });
    told["reports"] = reports.collect();
    let (Some(freeze), Some(certificate), Some((lanes, blindings, root, result))) =
        (attempt.freeze, attempt.certificate, &attempt.outcome)
    else {
        return Err("a session that opened nothing".to_owned());
    };
    let survivors = i64::try_from(attempt.survivors.len()).map_err(|_| "too many")?;
    let figure =
        |(lane, (lo, _)): (&u64, &(i64, i64))| i64::try_from(*lane).unwrap_or(i64::MAX) + survivors * lo;
    let totals: Vec<i64> = lanes.iter().zip(&attempt.bounds).map(figure).collect();
    // The clear sum, which no party of a session could know.
    let clear = |cell: usize| attempt.survivors.iter().map(|id| session.figures[id][cell]).sum::<i64>();
    if totals != (0..totals.len()).map(clear).collect::<Vec<_>>() {
        return Err("the opened total is not the sum".to_owned());
    }
    told["survivors"] = json!(attempt.survivors);
    told["freeze"] = hex(freeze);
    told["certificate"] = hex(certificate);
    told["blindings"] = blindings.iter().map(|one| hex(one.to_bytes())).collect();
    told["total_lanes"] = json!(lanes);
    told["totals"] = json!(totals);
    told["total_root"] = hex(root);
    told["result"] = hex(result);
    Ok(told)
}

/// In the order of the incarnations' starts, as the vector has them.
fn pairs(attempt: &Attempt) -> Vec<Value> {
    let one = |((u, v), sigma): (&(u16, u16), &Hash)| {
        let seed = attempt.go.map(|go| hex(derive(sigma, "pair", &go)));
        json!({
            "low": u, "high": v, "sigma": hex(sigma), "mask_seed": seed,
            "commitment": hex(pair_commitment(sigma, *u, *v, &attempt.sid)),
        })
    };
    attempt.pairs.iter().map(one).collect()
}
