//! A report as one HTML file: no script, no request to anywhere, light and dark, made for paper too.

use super::table::{Cell, Curves, Report, Section, Table};
use super::words::Words;
use onrush::Money;
use onrush_gateway::money_text;
use onrush_gateway::wire::format_timestamp;
use onrush_load::page::STYLE;
use onrush_load::plot::{Axis, Chart, Line, escaped};
use onrush_load::verdict::grouped;
use std::io::{self, Write};

/// Rows of a table that are shown; CSV has all.
const ROWS_MAX: usize = 200;

/// A text of more bytes may be broken anywhere.
const LONG: usize = 40;

/// What only this page needs.
const OWN_STYLE: &str = "
nav ul{columns:3;padding-left:1.2rem}caption{text-align:left;font-weight:600;padding:.6rem 0 .2rem}
.wide{overflow-x:auto}.wide:focus-visible{outline:2px solid currentColor}td.r,time{white-space:nowrap}
.long{overflow-wrap:anywhere;min-width:12rem}body{max-width:64rem}main p{max-width:44rem}@media(max-width:40rem){nav ul{columns:1}}
@media print{table{font-size:9px}nav{display:none}.wide{overflow:visible}thead{display:table-header-group}section{break-before:auto}}
";

/// What stands above the sections.
pub(super) struct Head {
    pub(super) holds: bool,
    pub(super) records: u64,
    pub(super) lsn: u64,
}

/// Write the page.
///
/// # Errors
/// When `to` fails.
pub(super) fn write(
    head: &Head,
    report: &Report,
    words: Words,
    to: &mut impl Write,
) -> io::Result<()> {
    let title = words.get("title");
    write!(
        to,
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}{OWN_STYLE}</style></head><body><header><h1>{title}</h1>",
        words.lang()
    )?;
    let lead = words.get("lead").replace("{records}", &grouped(head.records));
    let lead = lead.replace("{lsn}", &grouped(head.lsn));
    let (class, word) = if head.holds { ("ok", "all_holds") } else { ("bad", "not_holds") };
    write!(
        to,
        "<p class=\"lead\">{lead}</p><p class=\"{class}\">{}</p></header>",
        words.get(word)
    )?;
    write!(to, "<nav aria-label=\"{}\"><ul>", words.get("contents"))?;
    for section in &report.sections {
        write!(to, "<li><a href=\"#{}\">{}</a></li>", section.id, words.get(section.id))?;
    }
    to.write_all(b"</ul></nav><main>\n")?;
    for section in &report.sections {
        write_section(section, words, to)?;
    }
    to.write_all(b"</main></body></html>\n")
}

fn write_section(section: &Section, words: Words, to: &mut impl Write) -> io::Result<()> {
    let id = section.id;
    write!(to, "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>", words.get(id))?;
    for note in &section.notes {
        write!(to, "<p>{}</p>", escaped(words.get(note)))?;
    }
    for curves in &section.charts {
        to.write_all(chart(curves, words).as_bytes())?;
    }
    let mut is_empty = section.charts.is_empty();
    for table in section.tables.iter().filter(|table| !table.only_csv && !table.rows.is_empty()) {
        write_table(section.id, table, words, to)?;
        is_empty = false;
    }
    if is_empty {
        write!(to, "<p>{}</p>", words.get("nothing"))?;
    }
    to.write_all(b"</section>\n")
}

fn chart(curves: &Curves, words: Words) -> String {
    let title = format!("{} · {}", curves.subject, words.get(curves.title));
    let lines = curves
        .lines
        .iter()
        .map(|(name, points)| Line { name: words.get(name).to_owned(), points: points.clone() });
    let chart = Chart {
        title: &title,
        x: (words.get(curves.x), Axis::Linear),
        y: (words.get(curves.y), Axis::Linear),
        lines: lines.collect(),
    };
    chart.svg()
}

/// A table that is too wide for a screen scrolls by itself, by keyboard too.
fn write_table(section: &str, table: &Table, words: Words, to: &mut impl Write) -> io::Result<()> {
    let id = format!("{section}-{}", table.id);
    write!(
        to,
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-labelledby=\"{id}\">\
         <table><caption id=\"{id}\">{}</caption><thead><tr>",
        words.get(table.id)
    )?;
    let columns = columns(table);
    for column in &columns {
        let name = words.get(table.columns[column.at]);
        write!(to, "<th scope=\"col\"{}>{name}</th>", column.class)?;
    }
    to.write_all(b"</tr></thead><tbody>")?;
    for row in table.rows.iter().take(ROWS_MAX) {
        to.write_all(b"<tr>")?;
        for column in &columns {
            write!(to, "<td{}>{}</td>", column.class, shown(&row[column.at], words))?;
        }
        to.write_all(b"</tr>")?;
    }
    to.write_all(b"</tbody></table></div>\n")?;
    if let Some(more) = table.rows.len().checked_sub(ROWS_MAX).filter(|&more| more > 0) {
        let text = words.get("more_rows").replace("{n}", &grouped(more as u64));
        write!(to, "<p class=\"lead\">{text}</p>")?;
    }
    Ok(())
}

/// A column that is shown.
struct Column {
    at: usize,
    class: &'static str,
}

/// Return the columns that are shown: amounts carry their currency, so it needs no column of its own.
fn columns(table: &Table) -> Vec<Column> {
    let has = |at: usize, is: fn(&Cell) -> bool| table.rows.iter().any(|row| is(&row[at]));
    let all = 0..table.columns.len();
    let has_money = all.clone().any(|at| has(at, |cell| matches!(cell, Cell::Money(..))));
    let kept = all.filter(|&at| !(has_money && table.columns[at] == "currency"));
    let column = |at: usize| {
        let class = if has(at, Cell::is_number) {
            " class=\"r\""
        } else if has(at, |cell| matches!(cell, Cell::Text(text) if text.len() > LONG)) {
            " class=\"long\""
        } else {
            ""
        };
        Column { at, class }
    };
    kept.map(column).collect()
}

/// Write a cell for people.
fn shown(cell: &Cell, words: Words) -> String {
    match cell {
        Cell::Nothing => "–".to_owned(),
        Cell::Text(text) => escaped(text),
        Cell::Word(key) => escaped(words.get(key)),
        Cell::Count(n) => grouped(*n),
        Cell::Money(amount, currency) => {
            escaped(&money_text(&Money { amount: *amount, currency: *currency }))
        }
        Cell::Time(at) => {
            let machine = format_timestamp(*at);
            let text = machine.replace('T', " ");
            format!("<time datetime=\"{machine}\">{}</time>", text.trim_end_matches('Z'))
        }
        Cell::Ms(ms) => span(*ms),
        Cell::Share(share) => format!("{:.1} %", share * 100.0),
        Cell::Number(number) => format!("{number:.3}"),
        Cell::Holds(holds) => {
            let (class, word) = if *holds { ("ok", "yes") } else { ("bad", "no") };
            format!("<span class=\"{class}\">{}</span>", words.get(word))
        }
    }
}

/// Write a span with the unit that fits it.
fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", ms as f64 / 1e3),
        120_000..7_200_000 => format!("{:.1} min", ms as f64 / 60e3),
        _ => format!("{:.1} h", ms as f64 / 3_600e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Lang;

    #[test]
    fn spans_have_the_unit_that_fits() {
        for (ms, text) in [
            (999, "999 ms"),
            (1_500, "1.5 s"),
            (119_999, "120.0 s"),
            (120_000, "2.0 min"),
            (7_200_000, "2.0 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn texts_from_outside_are_escaped_and_long_tables_are_cut() {
        let mut table = Table::new("sources", &["campaign", "holds"]);
        for n in 0..ROWS_MAX + 2 {
            table.push(vec![Cell::text("<b>&\""), Cell::Count(n as u64)]);
        }
        let report = Report { sections: vec![Section::new("funnel").table(table)] };
        let mut page = Vec::new();
        let head = Head { holds: true, records: 1, lsn: 1 };
        write(&head, &report, Words::new(Lang::En), &mut page).expect("written");
        let page = String::from_utf8(page).expect("UTF-8");
        assert!(page.contains("&lt;b&gt;&amp;&quot;") && !page.contains("<b>"));
        assert!(page.contains("2 more rows"), "cut and said");
        assert_eq!(page.matches("<td>").count(), ROWS_MAX);
    }

    #[test]
    fn a_section_without_anything_says_so() {
        let report = Report { sections: vec![Section::new("routing")] };
        let mut page = Vec::new();
        let head = Head { holds: false, records: 0, lsn: 0 };
        write(&head, &report, Words::new(Lang::Zh), &mut page).expect("written");
        let page = String::from_utf8(page).expect("UTF-8");
        assert!(page.contains("没有此类记录") && page.contains("lang=\"zh-CN\""));
        assert!(page.contains("class=\"bad\""));
    }
}
