//! A count with a limit, and until when so much was lacking.

/// Quantities that are asked for, 1 to this.
pub(crate) const QUANTITY_MAX: usize = 2;

/// Units that may be taken, of so many.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    now: u32,
    full: u32,
    /// By quantity: the last moment at which it stopped lacking.
    stopped: [Option<u64>; QUANTITY_MAX + 1],
}

impl Gauge {
    pub(crate) fn new(full: u32) -> Gauge {
        Gauge { now: 0, full, stopped: [None; QUANTITY_MAX + 1] }
    }

    pub(crate) fn add(&mut self, units: u32) {
        self.now += units;
    }

    pub(crate) fn take_off(&mut self, units: u32, at: u64) {
        for quantity in 0..=QUANTITY_MAX {
            let (before, after) = (self.now, self.now - units);
            if self.lacks(before, quantity) && !self.lacks(after, quantity) {
                self.stopped[quantity] = Some(at);
            }
        }
        self.now -= units;
    }

    /// Tell whether at any moment since `since` fewer than `quantity` were left. O(1).
    pub(crate) fn lacked(&self, quantity: u32, since: u64) -> bool {
        let stopped = self.stopped[quantity as usize];
        self.lacks(self.now, quantity as usize) || stopped.is_some_and(|at| at > since)
    }

    fn lacks(&self, now: u32, quantity: usize) -> bool {
        now as usize + quantity > self.full as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Gauge;

    #[test]
    fn remembers_until_when_it_lacked() {
        let mut gauge = Gauge::new(3);
        assert!(!gauge.lacked(1, 0) && !gauge.lacked(2, 0));
        gauge.add(2);
        assert!(!gauge.lacked(1, 0) && gauge.lacked(2, 0));
        gauge.add(1);
        gauge.take_off(1, 7);
        assert!(gauge.lacked(1, 6), "it was full until 7");
        assert!(!gauge.lacked(1, 7));
        gauge.take_off(1, 9);
        assert!(gauge.lacked(2, 8) && !gauge.lacked(2, 9));
        gauge.add(3);
        assert!(gauge.lacked(0, 100), "one too many");
    }
}
