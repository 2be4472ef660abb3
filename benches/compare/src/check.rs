//! The correctness check that every contestant faces: what the crowd was told against what its books say.
//!
//! A contestant that answers fast and sells a unit twice has not done the work. The books are read
//! from where it keeps them (tables, lists, the admin side), after everything came to rest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// The SKU of the measured rounds, with units for everybody.
pub(crate) const PLENTY: &str = "unit";

/// The SKU that is fought over at the end, with fewer units than buyers.
pub(crate) const SCARCE: &str = "last";

/// One wish of one buyer. The same key again is the same wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// [`PLENTY`] or [`SCARCE`].
    pub(crate) sku: &'static str,
    /// The buyer's number.
    pub(crate) buyer: u32,
    /// The number of the idempotency key.
    pub(crate) key: u8,
}

impl Ask {
    /// Return the buyer's name as it goes over the wire.
    pub(crate) fn buyer_name(&self) -> String {
        format!("b-{}", self.buyer)
    }

    /// Return the key as it goes over the wire.
    pub(crate) fn key_name(&self) -> String {
        format!("k-{}", self.key)
    }
}

/// What became of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The buyer was told of this order, new or repeated.
    Accepted(String),
    /// The buyer was refused.
    Refused,
    /// The buyer was told to come back: nothing was decided.
    Busy,
}

/// An ask and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// What was asked.
    pub(crate) ask: Ask,
    /// What was answered.
    pub(crate) answer: Answer,
}

/// An order as the contestant's books have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What was sold.
    pub(crate) sku: String,
    /// Its id, as the buyer was told it.
    pub(crate) id: String,
    /// Who bought it; `None` where the books keep no names.
    pub(crate) buyer: Option<String>,
}

/// Units of one SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    /// Units there were at the start.
    pub(crate) supply: u64,
    /// Units that the books say are left.
    pub(crate) left: i64,
}

/// A contestant's books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    /// By SKU.
    pub(crate) units: BTreeMap<String, Units>,
    /// Every order.
    pub(crate) rows: Vec<Row>,
}

/// Something that must not be, how often, and one example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) what: &'static str,
    /// How often.
    pub(crate) count: u64,
    /// The first one seen.
    pub(crate) example: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.count, self.example)
    }
}

/// Compare what was told with the books; nothing found is an empty list.
///
/// `told` must hold every answer that was given. Cost: O(told + rows).
pub(crate) fn compare(told: &[Told], books: &Books) -> Vec<Fault> {
    let mut faults = Faults::default();
    units(books, told, &mut faults);
    let rows = rows(books, &mut faults);
    answers(told, &rows, &mut faults);
    faults.found
}

#[derive(Default)]
struct Faults {
    found: Vec<Fault>,
}

impl Faults {
    fn add(&mut self, what: &'static str, count: u64, example: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        match self.found.iter_mut().find(|fault| fault.what == what) {
            Some(fault) => fault.count += count,
            None => self.found.push(Fault { what, count, example: example() }),
        }
    }
}

/// Stock: never more orders than units, none lost, and none left over while somebody was refused.
fn units(books: &Books, told: &[Told], faults: &mut Faults) {
    for (sku, units) in &books.units {
        let sold = books.rows.iter().filter(|row| row.sku == *sku).count() as u64;
        faults.add("units sold that do not exist", sold.saturating_sub(units.supply), || {
            format!("{sku}: {sold} orders, {} units", units.supply)
        });
        let gap = units.supply as i64 - units.left - sold as i64;
        faults.add("units that books and orders count differently", gap.unsigned_abs(), || {
            format!("{sku}: {} − {} left ≠ {sold} orders", units.supply, units.left)
        });
        // Whoever was refused without having any found nothing left, so nothing may be left.
        let of_sku = || told.iter().filter(|told| told.ask.sku == sku);
        let winners: HashSet<u32> = of_sku()
            .filter(|t| matches!(t.answer, Answer::Accepted(_)))
            .map(|t| t.ask.buyer)
            .collect();
        let refused = |t: &&Told| t.answer == Answer::Refused;
        let turned_away = of_sku().filter(refused).any(|t| !winners.contains(&t.ask.buyer));
        let left = if turned_away { units.left.max(0) as u64 } else { 0 };
        faults.add("units left while buyers were turned away", left, || format!("{sku}: {left}"));
    }
}

/// Orders: each id once, and where names are kept, each buyer once.
fn rows<'a>(books: &'a Books, faults: &mut Faults) -> HashMap<(&'a str, &'a str), &'a Row> {
    let mut by_id = HashMap::new();
    let mut buyers = HashSet::new();
    for row in &books.rows {
        let twice = by_id.insert((&*row.sku, &*row.id), row).is_some();
        faults.add("ids of two orders", u64::from(twice), || row.id.clone());
        let again = row.buyer.as_ref().is_some_and(|buyer| !buyers.insert((&*row.sku, &**buyer)));
        faults.add("buyers with two orders", u64::from(again), || format!("{:?}", row.buyer));
        let unknown = !books.units.contains_key(&row.sku);
        faults.add("orders of a SKU without stock", u64::from(unknown), || row.sku.clone());
    }
    by_id
}

/// Answers: each accepted one has its order, each order was told to one buyer and one only.
fn answers(told: &[Told], rows: &HashMap<(&str, &str), &Row>, faults: &mut Faults) {
    let mut owner: HashMap<(&str, &str), Ask> = HashMap::new();
    let mut order_of: HashMap<(&str, u32), &str> = HashMap::new();
    for Told { ask, answer } in told {
        let Answer::Accepted(id) = answer else { continue };
        let key = (ask.sku, id.as_str());
        let row = rows.get(&key);
        faults.add("accepted answers without an order", u64::from(row.is_none()), || {
            format!("{} was told of {id:?}", ask.buyer_name())
        });
        let other = row.and_then(|row| row.buyer.as_ref()).is_some_and(|b| *b != ask.buyer_name());
        faults.add("orders of another buyer", u64::from(other), || {
            format!("{id}, told to {}", ask.buyer_name())
        });
        let first = *owner.entry(key).or_insert(*ask);
        faults.add("orders told to two buyers", u64::from(first.buyer != ask.buyer), || {
            format!("{id}: {} and {}", first.buyer_name(), ask.buyer_name())
        });
        let other_wish = first.buyer == ask.buyer && first.key != ask.key;
        faults.add("orders told for two wishes", u64::from(other_wish), || id.clone());
        let before = *order_of.entry((ask.sku, ask.buyer)).or_insert(id);
        faults.add("buyers told of two orders", u64::from(before != id), || {
            format!("{}: {before} and {id}", ask.buyer_name())
        });
    }
    let silent = rows.keys().filter(|key| !owner.contains_key(*key));
    let examples: Vec<_> = silent.collect();
    faults.add("orders that nobody was told of", examples.len() as u64, || {
        format!("{:?}", examples[0])
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPLY: u64 = 3;

    /// Three units, four buyers; the first asked three times.
    fn honest() -> (Vec<Told>, Books) {
        let told = |buyer, key, answer: Option<&str>| Told {
            ask: Ask { sku: SCARCE, buyer, key },
            answer: answer.map_or(Answer::Refused, |id| Answer::Accepted(id.to_owned())),
        };
        let all = vec![
            told(1, 1, Some("a")),
            told(1, 1, Some("a")),
            told(1, 2, None),
            told(2, 1, Some("b")),
            told(3, 1, Some("c")),
            told(4, 1, None),
        ];
        let row = |id: &str, buyer: &str| Row {
            sku: SCARCE.to_owned(),
            id: id.to_owned(),
            buyer: Some(buyer.to_owned()),
        };
        let units = BTreeMap::from([(SCARCE.to_owned(), Units { supply: SUPPLY, left: 0 })]);
        (all, Books { units, rows: vec![row("a", "b-1"), row("b", "b-2"), row("c", "b-3")] })
    }

    fn found(change: impl FnOnce(&mut Vec<Told>, &mut Books)) -> Vec<&'static str> {
        let (mut told, mut books) = honest();
        change(&mut told, &mut books);
        compare(&told, &books).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn finds_nothing_where_all_is_well() {
        assert_eq!(found(|_, _| {}), [""; 0]);
        // Books without names are as good, as long as ids tell the buyers apart.
        assert_eq!(found(|_, books| books.rows.iter_mut().for_each(|r| r.buyer = None)), [""; 0]);
    }

    #[test]
    fn catches_a_unit_sold_twice() {
        let oversold = found(|told, books| {
            let mut row = books.rows[0].clone();
            (row.id, row.buyer) = ("d".to_owned(), Some("b-4".to_owned()));
            books.rows.push(row);
            told[5].answer = Answer::Accepted("d".to_owned());
        });
        let both =
            ["units sold that do not exist", "units that books and orders count differently"];
        assert_eq!(oversold, both);
        // A stock that went below zero with the orders to match is an oversell, too.
        let negative = found(|told, books| {
            let mut row = books.rows[0].clone();
            (row.id, row.buyer) = ("d".to_owned(), Some("b-4".to_owned()));
            books.rows.push(row);
            told[5].answer = Answer::Accepted("d".to_owned());
            books.units.get_mut(SCARCE).expect("there").left = -1;
        });
        assert_eq!(negative, ["units sold that do not exist"]);
    }

    #[test]
    fn catches_units_that_leak() {
        let leaked = found(|_, books| books.units.get_mut(SCARCE).expect("there").supply = 4);
        assert_eq!(leaked, ["units that books and orders count differently"]);
        let kept = found(|_, books| {
            *books.units.get_mut(SCARCE).expect("there") = Units { supply: 4, left: 1 };
        });
        assert_eq!(kept, ["units left while buyers were turned away"]);
        // Somebody who may come back was not turned away.
        let busy = found(|told, books| {
            *books.units.get_mut(SCARCE).expect("there") = Units { supply: 4, left: 1 };
            told[5].answer = Answer::Busy;
        });
        assert_eq!(busy, [""; 0]);
    }

    #[test]
    fn catches_a_buyer_with_two() {
        let named = found(|told, books| {
            books.rows[2].buyer = Some("b-1".to_owned());
            told[2].answer = Answer::Accepted("c".to_owned());
            told[4].answer = Answer::Refused;
        });
        assert_eq!(named, ["buyers with two orders", "buyers told of two orders"]);
        let nameless = found(|told, books| {
            books.rows.iter_mut().for_each(|row| row.buyer = None);
            told[2].answer = Answer::Accepted("c".to_owned());
            told[4].answer = Answer::Refused;
        });
        assert_eq!(nameless, ["buyers told of two orders"]);
    }

    #[test]
    fn catches_an_answer_without_an_order_and_an_order_without_an_answer() {
        let lost = found(|_, books| {
            books.rows.pop();
            books.units.get_mut(SCARCE).expect("there").supply = 2;
        });
        assert_eq!(lost, ["accepted answers without an order"]);
        assert_eq!(found(|told, _| drop(told.remove(4))), ["orders that nobody was told of"]);
        let empty = found(|told, _| told[1].answer = Answer::Accepted(String::new()));
        assert!(empty.contains(&"accepted answers without an order"), "{empty:?}");
    }

    #[test]
    fn catches_answers_that_are_mixed_up() {
        let swapped = found(|told, _| told.swap(3, 4));
        assert_eq!(swapped, [""; 0], "the order of answers says nothing");
        let mixed = found(|told, _| {
            told[3].answer = Answer::Accepted("c".to_owned());
            told[4].answer = Answer::Accepted("b".to_owned());
        });
        assert_eq!(mixed, ["orders of another buyer"]);
        let shared = found(|told, _| told[5].answer = Answer::Accepted("c".to_owned()));
        assert_eq!(shared, ["orders of another buyer", "orders told to two buyers"]);
        let twice = found(|told, _| told[2].answer = Answer::Accepted("a".to_owned()));
        assert_eq!(twice, ["orders told for two wishes"]);
    }

    #[test]
    fn catches_ids_that_are_not_unique_and_orders_out_of_nowhere() {
        let (told, mut books) = honest();
        books.rows[1].id = "a".to_owned();
        let found: Vec<_> = compare(&told, &books).into_iter().map(|fault| fault.what).collect();
        assert!(found.contains(&"ids of two orders"), "{found:?}");
        books.rows[1].sku = "other".to_owned();
        let found: Vec<_> = compare(&told, &books).into_iter().map(|fault| fault.what).collect();
        assert!(found.contains(&"orders of a SKU without stock"), "{found:?}");
    }

    #[test]
    fn counts_and_names_an_example() {
        let (told, mut books) = honest();
        books.rows.clear();
        books.units.get_mut(SCARCE).expect("there").left = 3;
        let faults = compare(&told, &books);
        let lost = faults.iter().find(|f| f.what == "accepted answers without an order");
        let lost = lost.expect("found");
        assert_eq!(lost.count, 4);
        assert_eq!(
            lost.to_string(),
            "accepted answers without an order: 4 (b-1 was told of \"a\")"
        );
    }
}
