//! What people read: one short text per language, with the campaign, the time, the link and the way
//! out.

use crate::address::Locale;
use crate::notifier::{Facts, Links};
use jiff::tz::{Offset, TimeZone};
use onrush_types::Timestamp;

/// Characters of a title that a reminder shows: a push has room for 4 KiB in all.
const TITLE_CHARS_MAX: usize = 120;

/// A reminder in words. Senders take of it what their channel can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In which language.
    pub locale: Locale,
    /// The campaign's title, or its name.
    pub title: String,
    /// The campaign's name.
    pub campaign: String,
    /// When it opens, in the shop's time, with the offset.
    pub when: String,
    /// The same without the offset.
    pub local: String,
    /// When it opens.
    pub opens_at: Timestamp,
    /// Where to go; it may carry a ticket.
    pub link: String,
    /// Where to leave.
    pub unsubscribe: String,
    /// One line.
    pub subject: String,
    /// The whole text.
    pub text: String,
}

/// Write a reminder.
pub(crate) fn compose(
    facts: &Facts,
    opens_at: Timestamp,
    locale: Locale,
    links: &Links,
    ticket: Option<String>,
    token: &str,
) -> Message {
    let campaign = facts.name.to_string();
    let title = match &facts.title {
        // A title is the operator's; it must not break a line of a mail's head all the same.
        Some(title) => title.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect(),
        None => campaign.clone(),
    };
    let when = local_time(opens_at, links.utc_offset_minutes);
    let local = when.split(" (").next().unwrap_or_default().to_owned();
    let has_ticket = ticket.is_some();
    let link = ticket.unwrap_or_else(|| links.page.replace("{campaign}", &campaign));
    let unsubscribe = format!("{}/v1/unsubscribe/{token}", links.public);
    let (subject, text) = match locale {
        Locale::Zh => (
            format!("{title} 将于 {when} 开售"),
            format!(
                "您预约的「{title}」将于 {when} 开售。\n\n{}{link}\n\n\
                 您收到此提醒，是因为您同意了开售提醒。不想再收到：\n{unsubscribe}\n",
                if has_ticket {
                    "您已在排队，请从您的专属链接进入：\n"
                } else {
                    "前往：\n"
                },
            ),
        ),
        Locale::En => (
            format!("{title} opens at {when}"),
            format!(
                "{title}, which you asked to be reminded of, opens at {when}.\n\n{}{link}\n\n\
                 You get this because you agreed to a reminder. To stop them:\n{unsubscribe}\n",
                if has_ticket { "You have a place in line. Your own link:\n" } else { "Go to:\n" },
            ),
        ),
    };
    Message { locale, title, campaign, when, local, opens_at, link, unsubscribe, subject, text }
}

/// Write a time to the minute at a fixed offset: `2026-12-01 20:00 (UTC+08:00)`.
pub(crate) fn local_time(at: Timestamp, offset_minutes: i32) -> String {
    let offset = Offset::from_seconds(offset_minutes.clamp(-840, 840) * 60);
    let offset = offset.expect("within fourteen hours");
    let far = jiff::Timestamp::MAX;
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(far);
    let local = instant.to_zoned(TimeZone::fixed(offset));
    let (sign, minutes) = (if offset_minutes < 0 { '-' } else { '+' }, offset_minutes.abs());
    let shown = local.strftime("%Y-%m-%d %H:%M");
    format!("{shown} (UTC{sign}{:02}:{:02})", minutes / 60, minutes % 60)
}

/// Write a time as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifier::Stage;
    use onrush_types::Name;

    /// 2026-12-01T12:00:00Z.
    const OPENS: Timestamp = Timestamp(1_796_126_400_000);

    fn links() -> Links {
        Links {
            page: "https://shop.example/drops/{campaign}".to_owned(),
            public: "https://drop.shop.example".to_owned(),
            utc_offset_minutes: 480,
        }
    }

    fn facts(title: Option<&str>) -> Facts {
        Facts {
            name: Name::new("drop").expect("name"),
            title: title.map(str::to_owned),
            opens_at: Some(OPENS),
            stage: Stage::Before,
        }
    }

    #[test]
    fn both_languages_say_what_when_where_and_how_to_leave() {
        for locale in [Locale::Zh, Locale::En] {
            let message = compose(&facts(Some("冬季 Drop")), OPENS, locale, &links(), None, "tok");
            for part in [
                "冬季 Drop",
                "2026-12-01 20:00 (UTC+08:00)",
                "https://shop.example/drops/drop",
                "https://drop.shop.example/v1/unsubscribe/tok",
            ] {
                assert!(message.text.contains(part), "{part} in {}", message.text);
            }
            assert!(message.subject.contains("冬季 Drop") && message.subject.contains("20:00"));
        }
        let zh = compose(&facts(None), OPENS, Locale::Zh, &links(), None, "t");
        assert!(zh.text.contains("开售") && zh.title == "drop");
        let en = compose(&facts(None), OPENS, Locale::En, &links(), None, "t");
        assert!(en.text.contains("opens at"));
    }

    #[test]
    fn a_ticket_takes_the_place_of_the_plain_link() {
        let ticket = Some("https://shop.example/t/abc".to_owned());
        let message = compose(&facts(None), OPENS, Locale::En, &links(), ticket, "t");
        assert_eq!(message.link, "https://shop.example/t/abc");
        assert!(message.text.contains("place in line"));
        assert!(!message.text.contains("/drops/drop"));
    }

    #[test]
    fn a_title_cannot_break_a_line_and_offsets_show_their_sign() {
        let hostile = facts(Some("a\r\nBcc: x@y.example"));
        let message = compose(&hostile, OPENS, Locale::En, &links(), None, "t");
        assert!(!message.subject.contains(['\r', '\n']));
        assert_eq!(local_time(OPENS, -210), "2026-12-01 08:30 (UTC-03:30)");
        assert_eq!(local_time(OPENS, 0), "2026-12-01 12:00 (UTC+00:00)");
        assert!(local_time(Timestamp::FAR_FUTURE, 0).starts_with("9999"));
    }
}
