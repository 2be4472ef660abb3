//! What a report says, as data: sections of tables and charts. HTML, CSV and JSON are written from it.

use onrush::{Currency, Timestamp};
use onrush_gateway::wire::format_timestamp;
use serde_json::{Map, Value};

/// Everything a report says.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) sections: Vec<Section>,
}

/// One topic. Its id names its heading among the words.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) id: &'static str,
    /// Sentences, as keys of the words.
    pub(super) notes: Vec<&'static str>,
    pub(super) charts: Vec<Curves>,
    pub(super) tables: Vec<Table>,
}

/// One table. Its id names its caption among the words, and its CSV file.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) id: &'static str,
    /// Columns, as keys of the words and as the first line of the CSV file.
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// Too long to be read: in CSV only.
    pub(super) only_csv: bool,
}

/// Curves over time. All texts but the subject are keys of the words.
#[derive(Debug)]
pub(super) struct Curves {
    pub(super) title: &'static str,
    /// Of what: a campaign's name.
    pub(super) subject: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing to say.
    Nothing,
    /// A name or another text from outside.
    Text(String),
    /// A word of ours, by its key.
    Word(&'static str),
    /// How many.
    Count(u64),
    /// An amount in minor units.
    Money(i64, Currency),
    /// A moment.
    Time(Timestamp),
    /// A span in milliseconds.
    Ms(u64),
    /// A part of a whole, from 0 to 1.
    Share(f64),
    /// Any other number.
    Number(f64),
    /// Whether something holds.
    Holds(bool),
}

impl Section {
    pub(super) fn new(id: &'static str) -> Section {
        Section { id, notes: Vec::new(), charts: Vec::new(), tables: Vec::new() }
    }

    /// Add a sentence.
    pub(super) fn note(mut self, key: &'static str) -> Section {
        self.notes.push(key);
        self
    }

    /// Add a table.
    pub(super) fn table(mut self, table: Table) -> Section {
        self.tables.push(table);
        self
    }
}

impl Table {
    pub(super) fn new(id: &'static str, columns: &[&'static str]) -> Table {
        Table { id, columns: columns.to_vec(), rows: Vec::new(), only_csv: false }
    }

    /// Add a row.
    ///
    /// # Panics
    /// When it has another number of cells than there are columns.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a row of {} has a cell a column", self.id);
        self.rows.push(row);
    }
}

impl Cell {
    /// Return the share of `part` in `whole`; nothing when there is no whole.
    pub(super) fn share(part: u64, whole: u64) -> Cell {
        if whole == 0 { Cell::Nothing } else { Cell::Share(part as f64 / whole as f64) }
    }

    /// Return a text; nothing when it is empty.
    pub(super) fn text(text: &str) -> Cell {
        if text.is_empty() { Cell::Nothing } else { Cell::Text(text.to_owned()) }
    }

    /// Return the moment, if there is one.
    pub(super) fn time(at: Option<Timestamp>) -> Cell {
        at.map_or(Cell::Nothing, Cell::Time)
    }

    /// Tell whether it stands at the right of its column.
    pub(super) fn is_number(&self) -> bool {
        matches!(
            self,
            Cell::Count(_) | Cell::Money(..) | Cell::Ms(_) | Cell::Share(_) | Cell::Number(_)
        )
    }

    /// Return it for a program: the same in each language, exact.
    pub(super) fn value(&self) -> Value {
        match self {
            Cell::Nothing => Value::Null,
            Cell::Text(text) => text.as_str().into(),
            Cell::Word(key) => (*key).into(),
            Cell::Count(n) | Cell::Ms(n) => (*n).into(),
            Cell::Money(amount, _) => (*amount).into(),
            Cell::Time(at) => format_timestamp(*at).into(),
            Cell::Share(share) => ((share * 1e6).round() / 1e6).into(),
            Cell::Number(number) => (*number).into(),
            Cell::Holds(holds) => (*holds).into(),
        }
    }
}

impl Report {
    /// Return every table.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sections.iter().flat_map(|section| &section.tables)
    }

    /// Return all tables as JSON: a list of rows under each table's id.
    pub(super) fn json(&self) -> Value {
        let row = |table: &Table, row: &[Cell]| -> Value {
            let fields = table.columns.iter().zip(row);
            fields
                .map(|(name, cell)| ((*name).to_owned(), cell.value()))
                .collect::<Map<_, _>>()
                .into()
        };
        let all = self.tables().map(|table| {
            let rows: Vec<Value> = table.rows.iter().map(|cells| row(table, cells)).collect();
            (table.id.to_owned(), Value::from(rows))
        });
        Value::Object(all.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_nothing_are_nothing() {
        assert_eq!(Cell::share(0, 0), Cell::Nothing);
        assert_eq!(Cell::share(1, 4), Cell::Share(0.25));
    }

    #[test]
    #[should_panic(expected = "a cell a column")]
    fn a_row_fits_its_table() {
        Table::new("skus", &["campaign", "sku"]).push(vec![Cell::Nothing]);
    }
}
