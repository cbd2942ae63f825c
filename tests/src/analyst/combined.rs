//! All released figures together: whether something about too few follows by adding and subtracting.
//!
//! Rows that are in the same figures cannot be told apart; rows that add nothing are left out. Some combination is about one or two hospitals alone when the
//! figures, without the rows that are these hospitals', have a smaller rank.

use super::queries::Of;
use super::{FLOOR, Released};
use std::collections::{BTreeMap, BTreeSet};

/// Ranks are taken modulo this prime: the minors of small matrices of zeros and ones are small.
const PRIME: u64 = (1 << 31) - 1;

/// Rows that are in the same figures: in which, and whose.
type Pieces = BTreeMap<Vec<usize>, BTreeSet<usize>>;

/// One or two hospitals that some combination is about.
pub fn combined(released: &[Released]) -> Option<String> {
    [Of::Quantity, Of::Rows].into_iter().find_map(|of| {
        // Rows that changed are other rows; of these figures no hospital's did.
        let mut figures: Vec<&Released> = Vec::new();
        for figure in released.iter().rev().filter(|figure| figure.of == of) {
            if figures.iter().all(|other| figure.is_over_the_rows_of(other)) {
                figures.push(figure);
            }
        }
        let pieces = pieces(&figures);
        let all: Vec<&Vec<usize>> = pieces.keys().collect();
        let rank_of_all = rank(figures.len(), &all);
        let few: BTreeSet<&BTreeSet<usize>> =
            pieces.values().filter(|of| of.len() < FLOOR as usize).collect();
        let pairs = few.iter().flat_map(|one| few.iter().map(|other| one.union(other).copied().collect()));
        let pairs: BTreeSet<BTreeSet<usize>> =
            pairs.filter(|of: &BTreeSet<_>| of.len() < FLOOR as usize).collect();
        let about = pairs.into_iter().find(|hospitals| {
            let others = pieces.iter().filter(|(_, of)| !of.is_subset(hospitals)).map(|(piece, _)| piece);
            rank(figures.len(), &others.collect::<Vec<_>>()) < rank_of_all
        })?;
        let by: Vec<&str> = figures.iter().map(|figure| figure.by.as_str()).collect();
        Some(format!("{about:?} alone are behind what follows from\n{}", by.join("\nand ")))
    })
}

fn pieces(figures: &[&Released]) -> Pieces {
    let mut of_rows: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (place, figure) in figures.iter().enumerate() {
        figure.filled.iter().for_each(|row| of_rows.entry(*row).or_default().push(place));
    }
    let mut pieces = Pieces::new();
    for ((hospital, _), of) in of_rows {
        pieces.entry(of).or_default().insert(hospital);
    }
    pieces
}

/// The rank of the figures over these pieces, by Gauss.
fn rank(figures: usize, pieces: &[&Vec<usize>]) -> usize {
    let number = |figure: usize| move |piece: &&Vec<usize>| u64::from(piece.contains(&figure));
    let mut rows: Vec<Vec<u64>> =
        (0..figures).map(|figure| pieces.iter().map(number(figure)).collect()).collect();
    let mut rank = 0;
    for column in 0..pieces.len() {
        let Some(pivot) = (rank..figures).find(|row| rows[*row][column] != 0) else { continue };
        rows.swap(rank, pivot);
        let (above, below) = rows.split_at_mut(rank + 1);
        let pivot = &above[rank];
        for row in below.iter_mut().filter(|row| row[column] != 0) {
            // row * pivot[column] - pivot * row[column]: the rank is the same, and no inverse is needed.
            let factor = row[column];
            for (own, other) in row.iter_mut().zip(pivot).skip(column) {
                *own = (*own * pivot[column] + (PRIME - *other) * factor) % PRIME;
            }
        }
        rank += 1;
    }
    rank
}
