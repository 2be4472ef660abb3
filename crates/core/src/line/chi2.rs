//! The χ² distribution: how surprising a table of counts is.

/// Return the probability that a χ² variable of `degrees` is `chi2` or more; 1 for no degrees.
///
/// The regularised upper incomplete gamma function Q(degrees ÷ 2, chi2 ÷ 2), by its series below
/// the mean and by its continued fraction above (DLMF 8.7.1 and 8.9.2, the latter evaluated by
/// Lentz's method). Good to ten digits.
pub fn chi2_p(chi2: f64, degrees: u32) -> f64 {
    let (a, x) = (f64::from(degrees) / 2.0, chi2 / 2.0);
    if degrees == 0 || x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    let p = if x < a + 1.0 { 1.0 - scale * series(a, x) } else { scale * fraction(a, x) };
    p.clamp(0.0, 1.0)
}

const TERMS_MAX: u32 = 10_000;
const ENOUGH: f64 = 1e-13;

fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for n in 1..TERMS_MAX {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * ENOUGH {
            break;
        }
    }
    sum
}

fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for n in 1..TERMS_MAX {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = (numerator * d + b).recip();
        c = b + numerator / c;
        value *= c * d;
        if (c * d - 1.0).abs() < ENOUGH {
            break;
        }
    }
    value
}

/// Lanczos's approximation (g = 7, nine terms), good to 15 digits for positive arguments.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let start = 0.999_999_999_999_809_9;
    let sum = (1_u32..).zip(TERMS).fold(start, |sum, (n, term)| sum + term / (x + f64::from(n)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_tables() {
        // Critical values as printed in every table of the distribution.
        for (degrees, chi2, p) in [
            (1, 3.841_458_8, 0.05),
            (1, 6.634_896_6, 0.01),
            (2, 5.991_464_5, 0.05),
            (5, 11.070_497_7, 0.05),
            (10, 2.558_212_2, 0.99),
            (30, 43.772_971_8, 0.05),
            (81, 103.009_508_7, 0.05),
            (100, 149.449_253_0, 0.001),
        ] {
            let found = chi2_p(chi2, degrees);
            assert!((found - p).abs() < 1e-6, "{degrees} {chi2}: {found}");
        }
        assert_eq!((chi2_p(0.0, 4), chi2_p(3.0, 0)), (1.0, 1.0));
        assert!(chi2_p(1e4, 3) < 1e-300);
    }

    #[test]
    fn two_degrees_are_an_exponential() {
        for tenths in 1..400 {
            let chi2 = f64::from(tenths) / 10.0;
            assert!((chi2_p(chi2, 2) - (-chi2 / 2.0).exp()).abs() < 1e-12, "{chi2}");
        }
    }

    #[test]
    fn what_is_hardly_uneven_is_hardly_surprising() {
        // One degree is erfc(√(χ² ÷ 2)): near zero, 1 − 2√(χ² ÷ 2π).
        for (chi2, p) in [
            (1e-8, 0.999_920_211_544_052_6),
            (1e-6, 0.999_202_115_572_177_9),
            (1e-4, 0.992_021_287_370_736_8),
            (1e-3, 0.974_772_879_369_960_4),
        ] {
            let found = chi2_p(chi2, 1);
            assert!((found - p).abs() < 1e-10, "{chi2}: {found}");
        }
    }
}
