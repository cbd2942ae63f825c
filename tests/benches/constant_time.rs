//! Constant time, measured: does the time that a secret takes depend on the secret? (dudect)
//!
//! Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (2017): two classes of inputs in random
//! order, Welch's t over the times, also over the fastest parts of them; |t| < 4.5 shows no difference. Each
//! piece of the product has a leaky twin that must be flagged. Prints figures; exits 1 if one is not as it
//! must be. Best on a quiet machine: noise hides a leak, it does not make one.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::Bytes;
use samensom_protocol::crypto::channel::{confirmation, is_confirmed};
use samensom_protocol::crypto::mask::{Mask, Sign, apply};
use samensom_protocol::crypto::sharing::{Polynomial, scalar};
use samensom_protocol::ids::AnnounceHash;
use samensom_protocol::secret::Secret;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

/// What shows no difference.
const LIMIT: f64 = 4.5;
/// Measurements of one piece, unless the environment says otherwise.
const USUAL: usize = 1_000_000;
/// Inputs that are made before they are timed.
const BATCH: usize = 2_000;
/// Parts of the times that are looked at beside all of them: those below these quantiles.
const CROPS: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// Running mean and variance (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        let off = value - self.mean;
        self.mean += off / self.n;
        self.squares += off * (value - self.mean);
    }
    fn error(&self) -> f64 {
        self.squares / (self.n - 1.0) / self.n
    }
}

/// Welch's t of two classes.
fn welch([a, b]: &[Moments; 2]) -> f64 {
    if a.n < 1_000.0 || b.n < 1_000.0 {
        return 0.0;
    }
    (a.mean - b.mean) / (a.error() + b.error()).sqrt()
}

/// The largest |t| over all times and over each crop; crops are fixed by the first batch.
struct Test {
    limits: Vec<f64>,
    classes: Vec<[Moments; 2]>,
}

impl Test {
    fn new(first: &mut [f64]) -> Self {
        first.sort_by(f64::total_cmp);
        let at = |part: &f64| first[((first.len() - 1) as f64 * part) as usize];
        let limits: Vec<f64> = CROPS.iter().map(at).chain([f64::INFINITY]).collect();
        Test { classes: vec![<[Moments; 2]>::default(); limits.len()], limits }
    }
    fn add(&mut self, class: usize, time: f64) {
        for (limit, classes) in self.limits.iter().zip(&mut self.classes) {
            if time <= *limit {
                classes[class].add(time);
            }
        }
    }
    fn t(&self) -> f64 {
        self.classes.iter().map(|classes| welch(classes).abs()).fold(0.0, f64::max)
    }
}

/// Times `work` over inputs of two classes: 0 is fixed, 1 is random.
fn measure<I>(n: usize, make: impl Fn(bool, &mut ChaCha20Rng) -> I, work: impl Fn(&mut I)) -> f64 {
    let mut rng = ChaCha20Rng::seed_from_u64(38);
    let mut test: Option<Test> = None;
    let mut done = 0;
    while done < n {
        let classes: Vec<bool> = (0..BATCH).map(|_| rng.next_u32() & 1 == 1).collect();
        let mut inputs: Vec<I> = classes.iter().map(|random| make(*random, &mut rng)).collect();
        let times: Vec<f64> = inputs
            .iter_mut()
            .map(|input| {
                let since = Instant::now();
                work(black_box(input));
                since.elapsed().as_nanos() as f64
            })
            .collect();
        match &mut test {
            // The first batch warms the machine up, and says what is an outlier.
            None => test = Some(Test::new(&mut times.clone())),
            Some(test) => {
                classes.iter().zip(&times).for_each(|(random, time)| test.add(usize::from(*random), *time));
                done += BATCH;
            }
        }
    }
    test.map_or(0.0, |test| test.t())
}

/// The fixed class or a random value.
fn bytes<const N: usize>(random: bool, rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    if random {
        rng.fill_bytes(&mut bytes);
    }
    bytes
}

/// A canonical scalar: 252 bits.
fn canonical(random: bool, rng: &mut ChaCha20Rng) -> Bytes<32> {
    let mut bytes: [u8; 32] = bytes(random, rng);
    bytes[31] &= 0x0f;
    Bytes(bytes)
}

/// Measures so often; |t| of the product's and of the leaky twin.
type Piece = fn(usize) -> (f64, f64);

fn masks(n: usize) -> (f64, f64) {
    let make = |random, rng: &mut ChaCha20Rng| (bytes::<32>(random, rng), vec![0u64; 64]);
    let ours = measure(n, make, |(seed, lanes)| apply(lanes, &mut [Mask::new(seed, Sign::Plus)]));
    // A lane of which nothing is to be added is left out.
    let leaky = measure(n, make, |(seed, lanes)| {
        for (lane, byte) in lanes.iter_mut().zip(seed.iter().cycle()) {
            if *byte != 0 {
                *lane = black_box(lane.wrapping_mul(3).wrapping_add(u64::from(*byte)));
            }
        }
    });
    (ours, leaky)
}

fn sharing(n: usize) -> (f64, f64) {
    let make = |random, rng: &mut ChaCha20Rng| {
        let of = (0..3).filter_map(|_| scalar(&canonical(random, rng))).collect();
        Polynomial::from_coefficients(of)
    };
    let ours = measure(n, make, |polynomial| {
        black_box(polynomial.at(69));
    });
    // Horner by double and add: a bit that is 0 costs nothing.
    let leaky = measure(n, make, |polynomial| {
        let mut sum = 0u128;
        for coefficient in polynomial.coefficients() {
            for byte in coefficient.to_bytes() {
                for bit in 0..8 {
                    if byte >> bit & 1 == 1 {
                        sum = black_box(sum.wrapping_mul(69).wrapping_add(1));
                    }
                }
            }
        }
        black_box(sum);
    });
    (ours, leaky)
}

fn comparison(n: usize) -> (f64, f64) {
    let (key, from) = (Secret::new([9; 32]), AnnounceHash([4; 32]));
    let right = confirmation(&key, &from).map_or([0; 32], |tag| tag.0);
    // The fixed class is the right tag but for its last byte; the random one differs in the first.
    let make = |random, rng: &mut ChaCha20Rng| {
        let mut tag = right;
        if random {
            rng.fill_bytes(&mut tag);
        } else {
            tag[31] ^= 1;
        }
        Bytes(tag)
    };
    let ours = measure(n, make, |tag| {
        black_box(is_confirmed(&key, &from, tag));
    });
    let leaky = measure(n, make, |tag| {
        black_box(tag.0.iter().zip(&right).all(|(a, b)| black_box(a) == b));
    });
    (ours, leaky)
}

fn decoding(n: usize) -> (f64, f64) {
    let ours = measure(n, canonical, |bytes| {
        black_box(scalar(bytes));
    });
    // The order of the curve is compared from the top, byte by byte, and leading zeros are skipped.
    let leaky = measure(n, canonical, |bytes| {
        let zeros = bytes.0.iter().rev().take_while(|byte| black_box(**byte) == 0).count();
        black_box(zeros);
    });
    (ours, leaky)
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to see that it runs.
    let all = std::env::args().any(|arg| arg == "--bench");
    let asked = std::env::var("SAMENSOM_MEASUREMENTS").ok().and_then(|n| n.parse().ok());
    let n = asked.unwrap_or(if all { USUAL } else { 4 * BATCH });
    println!("{n} measurements each; |t| < {LIMIT} shows no difference; a twin must be above");
    let mut held = true;
    let pieces: [(&str, Piece); 4] = [
        ("mask expansion", masks),
        ("sharing: a share of three coefficients", sharing),
        ("comparison: channel confirmation", comparison),
        ("decoding of a scalar", decoding),
    ];
    for (name, piece) in pieces {
        let (ours, leaky) = piece(n);
        let good = ours < LIMIT && leaky > LIMIT;
        held &= good;
        println!(
            "{name}: |t| = {ours:.2}; leaky twin |t| = {leaky:.2}{}",
            if good { "" } else { "  <-- not so" }
        );
    }
    if held || !all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
