//! Times and durations as text.
//!
//! Source of the calendar arithmetic: Howard Hinnant, *chrono-compatible low-level date
//! algorithms* (`civil_from_days`).

use onrush_types::{DurationMs, Timestamp};

/// The last millisecond of the year 9999, the last one RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// Write a time as RFC 3339 UTC with milliseconds, such as `2026-12-01T12:00:00.000Z`.
///
/// Times after the year 9999 are written as its last millisecond.
pub fn format_timestamp(at: Timestamp) -> String {
    let mut text = Vec::with_capacity(24);
    push_timestamp(&mut text, at);
    String::from_utf8(text).expect("digits and punctuation are ASCII")
}

/// Append a time as RFC 3339 UTC with milliseconds.
pub(crate) fn push_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let ms = at.0.min(LAST_MS);
    let (days, ms) = (ms / 86_400_000, ms % 86_400_000);
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, value: u64, digits: usize| {
        let mut rest = value as u32;
        for digit in text[at..at + digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    put(0, year, 4);
    put(5, month, 2);
    put(8, day, 2);
    put(11, ms / 3_600_000, 2);
    put(14, ms / 60_000 % 60, 2);
    put(17, ms / 1_000 % 60, 2);
    put(20, ms % 1_000, 3);
    out.extend_from_slice(&text);
}

/// Read an RFC 3339 time; the offset (`Z` or `+08:00`) is required.
///
/// # Errors
/// What is wrong and what to write instead.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, String> {
    let remedy = "write a time with its offset, such as 2026-12-01T20:00:00+08:00";
    // A zone in brackets would be accepted by the parser, but is not RFC 3339.
    if text.contains('[') {
        return Err(format!("{text:?} is not a time in RFC 3339; {remedy}"));
    }
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is not a time with an offset in RFC 3339; {remedy}"))?;
    u64::try_from(at.as_millisecond())
        .map(Timestamp)
        .map_err(|_| format!("{text:?} is before 1970; {remedy}"))
}

/// Read a duration with units, such as `5m`, `1h30m` or `250ms`.
///
/// # Errors
/// What is wrong and what to write instead.
pub fn parse_duration(text: &str) -> Result<DurationMs, String> {
    let wrong = || {
        format!(
            "{text:?} is not a duration; write numbers with units, such as \"5m\" or \"1h30m\" \
             (ms, s, m, h, d)"
        )
    };
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_ms = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(unit_ms).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[digits + letters..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(DurationMs(total)) }
}

/// Write a duration so that [`parse_duration`] reads it back.
pub(crate) fn format_duration(length: DurationMs) -> String {
    let mut rest = length.0;
    let mut text = String::new();
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if rest > 0 || text.is_empty() {
        text.push_str(&format!("{rest}ms"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_calendar_library_writes() {
        let mut ms: u64 = 0;
        while ms < LAST_MS {
            let text = format_timestamp(Timestamp(ms));
            let expected = jiff::Timestamp::from_millisecond(ms as i64).expect("in range");
            assert_eq!(text, format!("{expected:.3}"), "{ms}");
            assert_eq!(parse_timestamp(&text), Ok(Timestamp(ms)));
            // A stride that is no multiple of a day visits every month, day and leap rule.
            ms += 86_400_000 * 13 + 12_345_679;
        }
        assert_eq!(format_timestamp(Timestamp::FAR_FUTURE), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_time_needs_its_offset() {
        assert_eq!(
            parse_timestamp("2026-12-01T20:00:00+08:00"),
            parse_timestamp("2026-12-01T12:00:00Z")
        );
        for bad in [
            "",
            "2026-12-01",
            "2026-12-01T20:00:00",
            "1960-01-01T00:00:00Z",
            "20:00",
            "2026-13-01T00:00:00Z",
            "2026-12-01T20:00:00+08:00[Asia/Shanghai]",
        ] {
            assert!(parse_timestamp(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_needs_its_units() {
        for (text, ms) in
            [("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(DurationMs(ms)), "{text}");
            assert_eq!(parse_duration(&format_duration(DurationMs(ms))), Ok(DurationMs(ms)));
        }
        for bad in
            ["", "5", "m", "5 m", "-5m", "5M", "5min", "1.5h", "5m3", "99999999999999999d", "五m"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
