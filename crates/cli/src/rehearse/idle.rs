//! The risk that units stand idle: each unpaid hold keeps its units from everybody for as long as it lives.
//!
//! With a pay rate *p*, a hold of *H* and a sale of *L*, a unit is offered ⌊*L* / *H*⌋ + 1 times at worst
//! (each hold taken at once and left to its deadline), and stays unsold with (1 − *p*) to that power. On
//! average it stands idle for *H* · (1 − *p*) / *p* before somebody pays.

use super::verdict::Reason;
use std::time::Duration;

/// The share of units that may stay unsold only because holds were not paid.
const UNSOLD_STOP: f64 = 0.05;
const UNSOLD_LOOK: f64 = 0.01;

/// Judge a campaign; `length` is how long it is planned to be open.
pub(super) fn judge(hold: Duration, length: Option<Duration>, pay_rate: f64) -> Reason {
    let idle_s = hold.as_secs_f64() * (1.0 - pay_rate) / pay_rate;
    let paying =
        format!("with {:.0} % of holds paid a unit stands idle {idle_s:.0} s", pay_rate * 100.0);
    let Some(length) = length else {
        let next = "give the campaign closes_at to have this judged, or see that hold is short";
        return Reason::look("idle stock", format!("{paying}; no end is planned"), next);
    };
    let unsold = unsold(hold, length, pay_rate);
    let found = format!(
        "{paying}; at worst {:.1} % stay unsold when the sale ends after {:.0} s",
        unsold * 100.0,
        length.as_secs_f64()
    );
    let next = format!(
        "shorten hold ({:.0} s now), give the campaign a waitlist, or let it run longer",
        hold.as_secs_f64()
    );
    if unsold > UNSOLD_STOP {
        Reason::stop("idle stock", found, next)
    } else if unsold > UNSOLD_LOOK {
        Reason::look("idle stock", found, next)
    } else {
        Reason::fine("idle stock", found)
    }
}

fn unsold(hold: Duration, length: Duration, pay_rate: f64) -> f64 {
    let chances = (length.as_secs_f64() / hold.as_secs_f64()).floor() + 1.0;
    (1.0 - pay_rate).powf(chances)
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Weight;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_stays_unsold_follows_from_how_often_a_unit_is_offered() {
        assert!((unsold(5 * MINUTE, 5 * MINUTE, 0.5) - 0.25).abs() < 1e-12);
        assert!((unsold(5 * MINUTE, 4 * MINUTE, 0.5) - 0.5).abs() < 1e-12);
        assert!((unsold(MINUTE, 9 * MINUTE, 0.5) - 0.5_f64.powi(10)).abs() < 1e-12);
    }

    #[test]
    fn a_long_hold_in_a_short_sale_is_a_reason_to_stop() {
        for (hold, length, weight) in [
            (5 * MINUTE, Some(120 * MINUTE), Weight::Fine),
            (5 * MINUTE, Some(15 * MINUTE), Weight::Fine),
            (5 * MINUTE, Some(10 * MINUTE), Weight::Look),
            (5 * MINUTE, Some(4 * MINUTE), Weight::Stop),
            (5 * MINUTE, None, Weight::Look),
        ] {
            let reason = judge(hold, length, 0.7);
            assert_eq!(reason.weight, weight, "{reason:?}");
        }
        assert!(judge(5 * MINUTE, None, 0.7).found.contains("129 s"), "300 × 0.3 ÷ 0.7");
    }
}
