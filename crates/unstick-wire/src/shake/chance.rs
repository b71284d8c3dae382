//! The probability that chance alone makes runs differ, and the random order of the runs that decide.

use crate::splitmix::{STEP, mix};

/// The random order of as many runs with a case (`true`) as without it, so that nothing else on the machine happens in the same
/// order.
pub fn order(seed: u64, pairs: u32) -> Vec<bool> {
    let mut order: Vec<bool> = (0..pairs).flat_map(|_| [false, true]).collect();
    let mut state = seed;
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(STEP);
        order.swap(last, (mix(state) % (last as u64 + 1)) as usize);
    }
    order
}

/// The probability that, of `pairs` runs with a case and as many without, `fails` with it differ and none without, if
/// the case made no difference (Fisher's exact test, one-sided).
pub fn chance(fails: u32, pairs: u32) -> f64 {
    (0..fails.min(pairs)).map(|done| f64::from(pairs - done) / f64::from(2 * pairs - done)).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_with_the_case_as_without_in_an_order_of_the_seed() {
        for seed in 0..50 {
            let drawn = order(seed, 7);
            assert_eq!((drawn.len(), drawn.iter().filter(|with| **with).count()), (14, 7));
            assert_eq!(drawn, order(seed, 7));
        }
        let firsts = (0..1000).filter(|seed| order(*seed, 7)[0]).count();
        assert!((400..600).contains(&firsts), "{firsts}");
    }

    #[test]
    fn the_chance_is_that_of_fisher_s_exact_test() {
        // 1 of the C(14, 7) ways to deal seven failures to seven of fourteen runs.
        assert!((chance(7, 7) * 3432.0 - 1.0).abs() < 1e-9);
        assert!((chance(10, 10) * 184_756.0 - 1.0).abs() < 1e-6);
        // C(7, 5) of C(14, 5).
        assert!((chance(5, 7) - 21.0 / 2002.0).abs() < 1e-9);
        assert_eq!((chance(0, 7), chance(0, 0)), (1.0, 1.0));
    }
}
