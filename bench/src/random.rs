//! Small deterministic randomness: the same seed gives the same workload on every machine.

/// A SplitMix64 generator.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        finish(self.state)
    }

    /// A number in `0..bound`. The bias for bounds far below 2^64 does not matter here.
    ///
    /// # Panics
    /// With a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// A number in `0..bound` by Zipf's law with the exponent 2: the first comes in six of ten
    /// cases, the second in a quarter of these, the third in a ninth, and so on.
    ///
    /// # Panics
    /// With a bound of zero.
    pub fn zipf(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nobody to draw from");
        loop {
            // 1/u is at least x in 1/x of the cases, so its whole part is x in 1/x(x+1) of
            // them; of these, (x+1)/2x are kept.
            let rank = (1.0 / self.share()).floor();
            let is_kept = self.share() <= f64::midpoint(1.0, 1.0 / rank);
            if rank <= bound as f64 && is_kept {
                return rank as u64 - 1;
            }
        }
    }

    /// Above 0, at most 1.
    fn share(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// 64 bits that depend on both numbers and on nothing else.
pub fn hash(seed: u64, number: u64) -> u64 {
    finish(finish(seed.wrapping_add(GOLDEN)) ^ number.wrapping_mul(GOLDEN))
}

/// A bijection, so numbers that differ keep differing.
fn finish(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Primes above any size used here, hence coprime to it.
const PRIMES: [u64; 6] = [
    2_654_435_761,
    4_294_967_291,
    2_147_483_647,
    4_294_967_279,
    1_000_000_007,
    998_244_353,
];
/// A pass is shuffled within so many parts of it.
const WINDOWS: u64 = 8;

/// Visits `0..size` in a scattered order, each once per pass: neighbours in time are not
/// neighbours in a B-tree. Those who came together in one pass don't in the next, since rows
/// that were written together would be updated together, which crowds their pages; but
/// everybody comes at about the same time of a pass, so nobody comes twice in the batches
/// under way.
///
/// # Panics
/// With a size of zero.
pub fn scatter(step: u64, size: u64) -> u64 {
    let times = |number: u64, prime: u64, bound: u64| {
        let product = u128::from(number) * u128::from(prime) % u128::from(bound);
        u64::try_from(product).expect("a remainder is below its divisor")
    };
    let (pass, at) = (step / size, step % size);
    let window = size.div_ceil(WINDOWS);
    let start = at / window * window;
    let prime = PRIMES[usize::try_from(pass).expect("64-bit") % PRIMES.len()];
    let place = start + times(at - start, prime, window.min(size - start));
    times(place, PRIMES[0], size)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn zipf_draws_a_number_as_often_as_its_square_says() {
        let mut random = Random::new(7);
        let mut drawn = [0_u32; 10];
        for _ in 0..100_000 {
            drawn[usize::try_from(random.zipf(10)).unwrap()] += 1;
        }
        for (rank, times) in (1_u32..).zip(drawn) {
            let expected = f64::from(drawn[0]) / f64::from(rank * rank);
            let difference = (f64::from(times) - expected).abs();
            assert!(difference < 4.0 * expected.sqrt() + 20.0, "{rank}: {times}");
        }
    }

    #[test]
    fn hashes_of_different_numbers_differ() {
        let hashes: HashSet<u64> = (0..100_000).map(|number| hash(1, number)).collect();
        assert_eq!(hashes.len(), 100_000);
    }

    #[test]
    fn the_company_changes_from_pass_to_pass_and_nobody_comes_back_soon() {
        let size = 60_000;
        let batch = |first: u64| (first..first + 500).map(|step| scatter(step, size));
        let before: HashSet<u64> = batch(3_000).collect();
        let after = batch(size + 3_000).filter(|person| before.contains(person));
        assert!(after.count() < 150);
        let end: HashSet<u64> = (size - 5_000..size)
            .map(|step| scatter(step, size))
            .collect();
        assert!((size..size + 5_000).all(|step| !end.contains(&scatter(step, size))));
    }

    #[test]
    fn a_pass_visits_everybody_once() {
        for size in [1, 2, 97, 10_000] {
            for pass in 0..3 {
                let steps = (0..size).map(|step| pass * size + step);
                let visited: HashSet<u64> = steps.map(|step| scatter(step, size)).collect();
                assert_eq!(visited.len() as u64, size);
            }
        }
    }
}
