//! What "the worst 1 % of this drop" means: a histogram of the scores of one campaign.
//!
//! A fixed threshold of a model that was trained on one drop flags anything from nobody to everybody
//! on the next. So a policy names shares, and the threshold for a share is read off what this campaign
//! has seen. Bins are even in log-odds, where scores differ; a bin that would flag more than the share
//! is left out whole, so a crowd with one score is never flagged for being alike.

/// Scores that must be known before a share means anything.
pub const SAMPLES_MIN: u32 = 200;

const BINS: usize = 1_024;
const LOGIT_MAX: f64 = 12.0;

/// Scores of one campaign.
#[derive(Clone, Debug)]
pub struct Calibration {
    bins: Box<[u32; BINS]>,
    total: u32,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration { bins: Box::new([0; BINS]), total: 0 }
    }
}

impl Calibration {
    /// Count a score. O(1).
    pub fn add(&mut self, probability: f64) {
        if self.total == u32::MAX {
            return;
        }
        self.bins[bin(probability)] += 1;
        self.total += 1;
    }

    /// Return how many scores are known.
    pub fn samples(&self) -> u32 {
        self.total
    }

    /// Return the score from which on at most `share` (0 to 1) of all scores are; nothing as long as
    /// too few are known or no score is apart from the others.
    pub fn threshold(&self, share: f64) -> Option<f64> {
        if self.total < SAMPLES_MIN {
            return None;
        }
        let most = (f64::from(self.total) * share.clamp(0.0, 1.0)).floor() as u64;
        let mut above = 0u64;
        let mut from = None;
        for at in (0..BINS).rev() {
            above += u64::from(self.bins[at]);
            if above > most {
                break;
            }
            from = Some(at);
        }
        from.filter(|_| most > 0).map(lower_end)
    }
}

fn bin(probability: f64) -> usize {
    let logit = (probability / (1.0 - probability)).ln().clamp(-LOGIT_MAX, LOGIT_MAX);
    // What is not a number counts as the mildest.
    let logit = if logit.is_nan() { -LOGIT_MAX } else { logit };
    (((logit + LOGIT_MAX) / (2.0 * LOGIT_MAX) * BINS as f64) as usize).min(BINS - 1)
}

fn lower_end(at: usize) -> f64 {
    crate::score::sigmoid(at as f64 / BINS as f64 * 2.0 * LOGIT_MAX - LOGIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_nothing_of_few_and_flags_nobody_for_being_alike() {
        let mut scores = Calibration::default();
        (0..SAMPLES_MIN - 1).for_each(|_| scores.add(0.5));
        assert_eq!(scores.threshold(0.5), None, "too few");
        (0..5_000).for_each(|_| scores.add(0.5));
        let from = scores.threshold(0.01).expect("a threshold");
        assert!(from > 0.5, "all alike: none is in the worst share, {from}");
    }

    #[test]
    fn a_bin_begins_where_its_scores_do() {
        for n in 1..1_000 {
            let p = f64::from(n) / 1_000.0;
            assert!(lower_end(bin(p)) <= p + 1e-9, "{p}");
            assert!(lower_end(bin(p) + 1) > p, "{p}");
        }
        assert_eq!((bin(0.0), bin(1.0), bin(f64::NAN)), (0, BINS - 1, 0));
    }

    proptest! {
        #[test]
        fn never_flags_more_than_the_share(
            scores in proptest::collection::vec(0f64..1.0, 200..1_000), share in 0f64..0.5,
        ) {
            let mut known = Calibration::default();
            scores.iter().for_each(|score| known.add(*score));
            if let Some(from) = known.threshold(share) {
                let flagged = scores.iter().filter(|score| **score >= from).count();
                prop_assert!(flagged as f64 <= share * scores.len() as f64 + 1e-9);
            }
        }
    }
}
