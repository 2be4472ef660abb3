//! A campaign as a calendar file (RFC 5545): one event with an alarm, in UTC.
//!
//! The UID follows from the campaign's name and the host, so a second download updates the first;
//! `SEQUENCE` rises with the start, because a calendar ignores a change that does not raise it.
//! Lines are folded at 75 octets between characters (§3.1), texts escaped (§3.3.11).

use jiff::tz::TimeZone;
use onrush_types::{DurationMs, Timestamp};
use std::fmt::Write;

/// Longest line without its line break (§3.1).
const LINE_OCTETS_MAX: usize = 75;

/// What the event says.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The campaign's name.
    pub campaign: &'a str,
    /// The host in its UID.
    pub host: &'a str,
    /// For people.
    pub title: &'a str,
    /// Where to go.
    pub link: &'a str,
    /// When it opens.
    pub opens_at: Timestamp,
    /// When it closes; without one the event lasts a quarter of an hour.
    pub closes_at: Option<Timestamp>,
    /// How long before the start the alarm rings.
    pub alarm: DurationMs,
}

/// Write the file. `now` is its DTSTAMP.
pub fn file(event: &Event<'_>, now: Timestamp) -> String {
    let mut out = String::with_capacity(640);
    let ends_at = event.closes_at.filter(|at| *at > event.opens_at);
    let ends_at = ends_at.unwrap_or(event.opens_at + DurationMs::from_secs(900));
    let title = escaped(event.title);
    let mut line = |text: String| fold(&mut out, &text);
    line("BEGIN:VCALENDAR".to_owned());
    line("VERSION:2.0".to_owned());
    line("PRODID:-//Onrush//Reminders//EN".to_owned());
    line("METHOD:PUBLISH".to_owned());
    line("BEGIN:VEVENT".to_owned());
    line(format!("UID:{}@{}", event.campaign, event.host));
    line(format!("SEQUENCE:{}", event.opens_at.0 / 1_000 % (1 << 31)));
    line(format!("DTSTAMP:{}", utc(now)));
    line(format!("DTSTART:{}", utc(event.opens_at)));
    line(format!("DTEND:{}", utc(ends_at)));
    line(format!("SUMMARY:{title}"));
    if !event.link.is_empty() {
        line(format!("DESCRIPTION:{}", escaped(event.link)));
        // A URI value is not escaped (§3.3.13); the gateway lets no line break into it.
        line(format!("URL:{}", event.link.replace(['\r', '\n'], "")));
    }
    line("TRANSP:TRANSPARENT".to_owned());
    line("BEGIN:VALARM".to_owned());
    line("ACTION:DISPLAY".to_owned());
    line(format!("TRIGGER:-PT{}S", event.alarm.0 / 1_000));
    line(format!("DESCRIPTION:{title}"));
    line("END:VALARM".to_owned());
    line("END:VEVENT".to_owned());
    line("END:VCALENDAR".to_owned());
    out
}

/// Escape a TEXT value; other control characters are left out, as §3.3.11 does not allow them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Append a content line, folded between characters.
fn fold(out: &mut String, text: &str) {
    let mut octets = 0;
    for c in text.chars() {
        if octets + c.len_utf8() > LINE_OCTETS_MAX {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(c);
        octets += c.len_utf8();
    }
    out.push_str("\r\n");
}

fn utc(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let mut text = String::with_capacity(16);
    let _ = write!(text, "{}", instant.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(title: &str) -> Event<'_> {
        Event {
            campaign: "drop",
            host: "drop.shop.example",
            title,
            link: "https://shop.example/drops/drop?a=1;b,c",
            opens_at: Timestamp(1_796_126_400_000),
            closes_at: None,
            alarm: DurationMs::from_secs(600),
        }
    }

    /// Undo folding, as a reader does.
    fn unfolded(file: &str) -> Vec<String> {
        let text = file.replace("\r\n ", "");
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn the_file_is_one_event_in_utc() {
        let file = file(&event("Winter, drop; now\\ever"), Timestamp(1_796_000_000_999));
        let lines = unfolded(&file);
        for line in [
            "UID:drop@drop.shop.example",
            "DTSTAMP:20261130T005320Z",
            "DTSTART:20261201T120000Z",
            "DTEND:20261201T121500Z",
            "SUMMARY:Winter\\, drop\\; now\\\\ever",
            "URL:https://shop.example/drops/drop?a=1;b,c",
            "TRIGGER:-PT600S",
            "SEQUENCE:1796126400",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} in {file}");
        }
        assert_eq!(lines.first().map(String::as_str), Some("BEGIN:VCALENDAR"));
        assert_eq!(lines.last().map(String::as_str), Some("END:VCALENDAR"));
        let mut longer = event("x");
        longer.closes_at = Some(Timestamp(1_796_130_000_000));
        assert!(super::file(&longer, Timestamp(0)).contains("DTEND:20261201T130000Z"));
    }

    proptest! {
        #[test]
        fn any_title_reads_back_from_short_lines(title in "\\PC{0,200}") {
            let file = file(&event(&title), Timestamp(0));
            prop_assert!(file.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX));
            prop_assert!(!file.replace("\r\n", "").contains(['\r', '\n']));
            let lines = unfolded(&file);
            let summary = lines.iter().find_map(|line| line.strip_prefix("SUMMARY:"));
            let mut read = String::new();
            let mut chars = summary.expect("a summary").chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => match chars.next() {
                        Some('n') => read.push('\n'),
                        Some(c) => read.push(c),
                        None => prop_assert!(false, "half an escape"),
                    },
                    c => read.push(c),
                }
            }
            let allowed: String = title.chars().filter(|c| !c.is_control()).collect();
            prop_assert_eq!(read, allowed);
        }

        #[test]
        fn line_breaks_in_a_title_stay_inside_it(parts in proptest::collection::vec("[a-z:]{0,9}", 1..5)) {
            let title = parts.join("\r\n");
            let file = file(&event(&title), Timestamp(0));
            let summary = format!("SUMMARY:{}", parts.join("\\n"));
            prop_assert!(unfolded(&file).contains(&summary));
        }
    }
}
