//! Section 6 of the manual, commitments, and `commitments.json`. Of the core it shares only the group's arithmetic.

use super::Checked;
use super::fields::{Fields, array, hex, number};
use super::primitives::*;
use aes::cipher::{KeyIvInit, StreamCipher};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use std::sync::OnceLock;

const BLOCK: usize = 1024;

pub fn generator(name: &str, index: usize) -> RistrettoPoint {
    let index = u16::try_from(index).expect("a small index").to_be_bytes();
    let input = [b"fa/1 gen", name.as_bytes(), &index].concat();
    RistrettoPoint::from_uniform_bytes(&Sha512::digest(input).into())
}

/// G_1 to G_1024, then H.
fn generators() -> &'static [RistrettoPoint] {
    static ALL: OnceLock<Vec<RistrettoPoint>> = OnceLock::new();
    ALL.get_or_init(|| {
        (1..=BLOCK).map(|index| generator("G", index)).chain([generator("H", 0)]).collect::<Vec<_>>()
    })
}

pub fn point(values: &[u64], blinding: &Scalar) -> RistrettoPoint {
    let all = generators();
    let mut sum = blinding * all[BLOCK];
    for (value, generator) in values.iter().zip(all) {
        sum += Scalar::from(*value) * generator;
    }
    sum
}

/// The commitments to a vector, block by block.
pub fn commit(values: &[u64], blindings: &[Scalar]) -> Vec<Hash> {
    let blocks = values.chunks(BLOCK).zip(blindings);
    blocks.map(|(values, blinding)| point(values, blinding).compress().to_bytes()).collect()
}

/// True if the commitments of all, added up, are those to the totals under the sums of blindings; `caps` has the greatest
/// value of each cell that is checked.
pub fn opens(caps: &[Option<u64>], all: &[Vec<Hash>], totals: &[u64], blindings: &[Scalar]) -> Checked<bool> {
    let mut sums = vec![RistrettoPoint::default(); blindings.len()];
    let blocks = super::ranges::blocks(caps);
    if caps.len() != totals.len() || blocks.len() != sums.len() {
        return Err("another number of blocks".to_owned());
    }
    for one in all {
        if one.len() != sums.len() {
            return Err("another number of commitments".to_owned());
        }
        for (sum, given) in sums.iter_mut().zip(one) {
            let point = CompressedRistretto(*given).decompress().ok_or("a commitment is no point")?;
            if point == RistrettoPoint::default() {
                return Err("a commitment is the identity".to_owned());
            }
            *sum += point;
        }
    }
    let computed = blocks.iter().zip(blindings).map(|((cells, cap), blinding)| {
        let values: Vec<u64> = cells.iter().map(|cell| totals[*cell]).collect();
        match cap {
            None => point(&values, blinding),
            Some(_) => Scalar::from(values[0]) * generator("g", 0) + blinding * generator("h", 0),
        }
    });
    Ok(sums.into_iter().eq(computed))
}

/// x_commitment.
pub fn commitments_root(commitments: &[Hash]) -> Hash {
    root(&commitments.iter().map(|one| leaf(one)).collect::<Vec<_>>())
}

/// Adds (or takes away) a seed's masks of blindings, modulo ell.
pub fn mask_blindings(blindings: &mut [Scalar], seed: &Hash, plus: bool) {
    let key = derive(seed, "rho", &[]);
    let mut bytes = vec![0u8; blindings.len() * 64];
    ctr::Ctr64LE::<aes::Aes256>::new((&key).into(), &[0; 16].into()).apply_keystream(&mut bytes);
    for (blinding, piece) in blindings.iter_mut().zip(bytes.chunks(64)) {
        let mask = wide(piece);
        *blinding = if plus { *blinding + mask } else { *blinding - mask };
    }
}

fn scalars(all: &[Value]) -> Checked<Vec<Scalar>> {
    all.iter().map(|one| scalar(&array(one)?)).collect()
}

fn told(scalars: &[Scalar]) -> Vec<Value> {
    scalars.iter().map(|one| hex(one.to_bytes())).collect()
}

pub fn check(file: &Value) -> Checked<()> {
    let mut file = Fields::of("commitments", file)?;
    let mut given = file.object("generators")?;
    let points: Vec<Hash> = generators().iter().map(|point| point.compress().to_bytes()).collect();
    given.is_bytes("blinding", points[BLOCK])?;
    given.is_bytes("all_cells_sha256", sha(points[..BLOCK].as_flattened()))?;
    let at = |index: usize| json!({ "index": index, "point": hex(points[index - 1]) });
    given.is_bytes("checked_value", generator("g", 0).compress().to_bytes())?;
    given.is_bytes("checked_blinding", generator("h", 0).compress().to_bytes())?;
    given.is("cells", vec![at(1), at(2), at(512), at(BLOCK)])?;
    given.done()?;
    for mut one in file.objects("commitments")? {
        let values = one.list("values")?.iter().map(number).collect::<Checked<Vec<_>>>()?;
        let blinding = scalar(&one.array("blinding")?)?;
        one.is_bytes("commitment", commit(&values, &[blinding])[0])?;
        one.done()?;
    }
    let mut masks = file.object("masks")?;
    let seed = masks.array("seed")?;
    let mut blindings = scalars(&masks.list("blindings")?)?;
    mask_blindings(&mut blindings, &seed, true);
    masks.is("plus", told(&blindings))?;
    (0..2).for_each(|_| mask_blindings(&mut blindings, &seed, false));
    masks.is("minus", told(&blindings))?;
    masks.done()?;
    sum(file.object("sum")?)?;
    super::ranges::check(file.object("ranges")?)?;
    file.done()
}

fn sum(mut sum: Fields) -> Checked<()> {
    let cells = usize::try_from(sum.number("cells")?.min(4096)).map_err(|_| "too many")?;
    let (mut totals, mut all) = (vec![0u64; cells], Vec::new());
    let mut blindings = vec![Scalar::ZERO; cells.div_ceil(BLOCK)];
    for mut one in sum.objects("contributors")? {
        let first = one.number("first_value")?;
        let values: Vec<u64> = (first..).take(cells).collect();
        let own = scalars(&one.list("blindings")?)?;
        let given = commit(&values, &own);
        one.is("commitments", given.iter().map(hex).collect::<Vec<_>>())?;
        one.done()?;
        totals.iter_mut().zip(&values).for_each(|(total, value)| *total += value);
        blindings.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
        all.push(given);
    }
    sum.is("totals", json!(totals))?;
    sum.is("blindings", told(&blindings))?;
    sum.done()?;
    if opens(&vec![None; totals.len()], &all, &totals, &blindings)? {
        Ok(())
    } else {
        Err("the sum does not open".to_owned())
    }
}
