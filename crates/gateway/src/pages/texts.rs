//! What the pages say, in two languages, and how numbers, money and times are written.
//!
//! Texts are TOML, one key a line; a brand's file replaces any of them. A text has places in braces,
//! filled by name; what is filled in is escaped unless a template made it.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, HtmlEscape};
use onrush::Timestamp;
use onrush_types::Money;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lang {
    En,
    Zh,
}

/// Texts by their keys.
pub(crate) type Texts = BTreeMap<String, String>;

/// Texts that scripts need have this before their keys.
const FOR_SCRIPTS: &str = "js_";

impl Lang {
    /// As in `?lang=`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh",
        }
    }

    /// As in `lang="…"` (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Zh => "zh-CN",
        }
    }

    pub(crate) fn other(self) -> Lang {
        match self {
            Lang::En => Lang::Zh,
            Lang::Zh => Lang::En,
        }
    }

    /// Read `?lang=`, or else the first of both languages that `Accept-Language` names.
    pub(crate) fn of(named: Option<&str>, accepted: Option<&str>) -> Lang {
        let known = |text: &str| match text.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        };
        let accepted = accepted.unwrap_or_default().split(',').find_map(known);
        named.and_then(known).or(accepted).unwrap_or(Lang::En)
    }

    /// The texts that come with the product.
    pub(crate) fn texts(self) -> Texts {
        let text = match self {
            Lang::En => include_str!("texts/en.toml"),
            Lang::Zh => include_str!("texts/zh.toml"),
        };
        toml::from_str(text).expect("a test reads them")
    }
}

/// Return the texts that scripts need, as JSON, without the mark of their keys.
pub(crate) fn for_scripts(texts: &Texts) -> String {
    let marked = texts.iter().filter_map(|(key, text)| {
        let own = key.starts_with("odds_").then_some(key.as_str());
        Some((key.strip_prefix(FOR_SCRIPTS).or(own)?, text))
    });
    let marked: BTreeMap<&str, &String> = marked.collect();
    serde_json::to_string(&marked).expect("texts are JSON")
}

/// Add the filters that templates use.
pub(crate) fn add_filters(env: &mut Environment<'static>) {
    env.add_filter("fill", fill);
    env.add_filter("grouped", |number: u64| grouped(number));
    env.add_filter("when", |unix_ms: u64| when(Timestamp(unix_ms)));
}

/// Fill the places of a text.
fn fill(text: &str, places: Kwargs) -> Result<Value, Error> {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        write!(out, "{}", HtmlEscape(before)).expect("a string takes all");
        let value: Value = places.get(name)?;
        match value.is_safe() {
            true => write!(out, "{value}"),
            false => write!(out, "{}", HtmlEscape(&value.to_string())),
        }
        .expect("a string takes all");
        rest = after;
    }
    write!(out, "{}", HtmlEscape(rest)).expect("a string takes all");
    Ok(Value::from_safe_string(out))
}

/// Write a number in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Write a time for people; the script puts it into the reader's own zone.
fn when(at: Timestamp) -> Value {
    let machine = crate::wire::format_timestamp(at);
    let (day, time) = machine.split_once('T').unwrap_or((&machine, ""));
    let minute = time.get(..8).unwrap_or(time);
    let text = format!("<time datetime=\"{machine}\">{day} {minute} UTC</time>");
    Value::from_safe_string(text)
}

/// Write an amount with its currency, for people: `CNY 1,299.00`.
pub fn money(money: &Money) -> String {
    let code = money.currency.as_str();
    // ISO 4217: the minor units of most currencies have two digits.
    let digits = match code {
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        _ => 2,
    };
    let unit = 10_u64.pow(digits);
    let amount = money.amount.unsigned_abs();
    let sign = if money.amount < 0 { "-" } else { "" };
    let whole = grouped(amount / unit);
    match digits {
        0 => format!("{code} {sign}{whole}"),
        _ => format!("{code} {sign}{whole}.{:0width$}", amount % unit, width = digits as usize),
    }
}

/// Write how long it may take, coarsely: nobody knows it to the second.
pub(crate) fn eta(texts: &Texts, p50_ms: u64, p90_ms: u64) -> String {
    let minutes = |ms: u64| ms.div_ceil(60_000);
    if p90_ms < 60_000 {
        return texts["js_under"].clone();
    }
    let (a, b) = (minutes(p50_ms), minutes(p90_ms).max(minutes(p50_ms) + 1));
    texts["js_minutes"].replace("{a}", &grouped(a)).replace("{b}", &grouped(b))
}

/// Write a length of time: minutes where they are whole, else seconds.
pub(crate) fn length(lang: Lang, ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match (lang, seconds.is_multiple_of(60)) {
        (Lang::En, true) => format!("{} min", seconds / 60),
        (Lang::En, false) => format!("{seconds} s"),
        (Lang::Zh, true) => format!("{} 分钟", seconds / 60),
        (Lang::Zh, false) => format!("{seconds} 秒"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onrush_types::Currency;

    #[test]
    fn both_languages_have_the_same_keys_and_places() {
        let (en, zh) = (Lang::En.texts(), Lang::Zh.texts());
        assert_eq!(en.keys().collect::<Vec<_>>(), zh.keys().collect::<Vec<_>>());
        let places = |text: &str| {
            let mut all: Vec<String> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
                .collect();
            all.sort();
            all
        };
        for (key, text) in &en {
            assert_eq!(places(text), places(&zh[key]), "{key}");
        }
    }

    #[test]
    fn the_language_is_what_is_asked_for_then_what_is_accepted() {
        assert_eq!(Lang::of(Some("zh"), Some("en")), Lang::Zh);
        assert_eq!(Lang::of(None, Some("fr;q=1, zh-TW, en")), Lang::Zh);
        assert_eq!(Lang::of(Some("fr"), Some("en-GB")), Lang::En);
        assert_eq!(Lang::of(Some("é"), Some("")), Lang::En);
    }

    #[test]
    fn what_is_filled_in_is_escaped_unless_a_template_made_it() {
        let mut env = Environment::new();
        add_filters(&mut env);
        let render = |source: &str| env.render_str(source, ()).expect("it renders");
        assert_eq!(render(r#"{{ "a {x}<b>"|fill(x="<i>") }}"#), "a &lt;i&gt;&lt;b&gt;");
        assert_eq!(render(r#"{{ "a {x}"|fill(x="<i>"|safe) }}"#), "a <i>");
        assert!(env.render_str(r#"{{ "a {x}"|fill(y=1) }}"#, ()).is_err(), "a missing place");
    }

    #[test]
    fn numbers_money_and_lengths_are_written_for_people() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
        let of =
            |amount, code| money(&Money { amount, currency: Currency::new(code).expect("code") });
        assert_eq!(of(129_905, "CNY"), "CNY 1,299.05");
        assert_eq!(of(1_500, "JPY"), "JPY 1,500");
        assert_eq!(of(1_500, "KWD"), "KWD 1.500");
        let texts = Lang::En.texts();
        assert_eq!(eta(&texts, 10_000, 59_000), "under a minute");
        assert_eq!(eta(&texts, 60_000, 61_000), "1 to 2 minutes");
        assert_eq!(eta(&texts, 60_000, 60_000), "1 to 2 minutes");
        assert_eq!([length(Lang::En, 300_000), length(Lang::Zh, 5_000)], ["5 min", "5 秒"]);
    }
}
