//! From the policy file to a [`Policy`], or to every problem with its line.

use super::file::{PolicyFile, RuleFile, WeightsFile};
use super::{Filters, POLICY_VERSION, Policy, Priority, Weights};
use crate::delivery::{Delivery, Due, Rule};
use crate::label::Label;
use crate::limits::{COST_MICROS_MAX, SPLIT_MAX};
use crate::node::NodeKind;
use std::fmt;

/// One thing wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Line in the file, from 1; 0 when no single line is to blame.
    pub line: usize,
    /// Column of that line, from 1; 0 with it.
    pub column: usize,
    /// The field, as in `costs.per_unit`; empty when the file is not TOML of the right form.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "policy: {}", self.message),
            line => write!(f, "policy line {line}, column {}: {}", self.column, self.message),
        }
    }
}

/// Everything wrong with a policy, in the order of the file's sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<PolicyError>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

pub(super) fn read(text: &str) -> Result<Policy, Problems> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| {
        let (line, column) = error.span().map_or((0, 0), |span| place_of(text, span.start));
        let (field, message) = (String::new(), error.message().to_owned());
        Problems(vec![PolicyError { line, column, field, message }])
    })?;
    let mut checker = Checker { text, section: "", problems: Vec::new() };
    let policy = checker.policy(file);
    if checker.problems.is_empty() { Ok(policy) } else { Err(Problems(checker.problems)) }
}

struct Checker<'a> {
    text: &'a str,
    section: &'static str,
    problems: Vec<PolicyError>,
}

const COST_UNITS_MAX: f64 = (COST_MICROS_MAX / 1_000_000) as f64;

impl Checker<'_> {
    fn policy(&mut self, file: PolicyFile) -> Policy {
        let mut policy = Policy::default();
        if let Some(version) = file.version.filter(|&version| version != POLICY_VERSION) {
            let message =
                format!("version {version} is not known; this router reads {POLICY_VERSION}");
            self.refuse("version", message);
        }
        self.costs(&file, &mut policy);
        self.section = "distance";
        self.set("detour", file.distance.detour, 1.0, 10.0, &mut policy.detour);
        self.set("max_km", file.distance.max_km, 0.0, f64::INFINITY, &mut policy.max_km);
        self.split_and_prices(&file, &mut policy);
        policy.filters = self.filters(&file);
        self.section = "priority";
        for rule in &file.priority {
            let mut cost = 0.0;
            self.set("cost", Some(rule.cost), -COST_UNITS_MAX, COST_UNITS_MAX, &mut cost);
            if let Some(group) = self.label("group", &rule.group) {
                policy.priorities.push(Priority { group, cost });
            }
        }
        self.section = "protect";
        for (kind, &units) in &file.protect {
            match kind.parse::<NodeKind>() {
                Ok(kind) => policy.protect[kind as usize] = units,
                Err(error) => self.refuse(kind, error.to_string()),
            }
        }
        self.section = "weights";
        for weights in &file.weights {
            let checked = self.weights(weights);
            policy.weights.push(checked);
        }
        for (&form, rule) in &file.delivery {
            self.rule(form, rule, &mut policy.deliveries[form as usize]);
        }
        policy.pickup_transfers = file.pickup.transfers.unwrap_or(false);
        self.section = "hold";
        self.set("minutes", file.hold.minutes, 0.0, 10_080.0, &mut policy.hold_minutes);
        policy
    }

    fn costs(&mut self, file: &PolicyFile, policy: &mut Policy) {
        self.section = "costs";
        let (from, to) = (&file.costs, &mut policy.costs);
        for (key, value, place) in [
            ("fixed_per_shipment", from.fixed_per_shipment, &mut to.fixed_per_shipment),
            ("per_unit", from.per_unit, &mut to.per_unit),
            ("per_unit_km", from.per_unit_km, &mut to.per_unit_km),
            ("unfilled_fixed", from.unfilled_fixed, &mut to.unfilled_fixed),
            ("unfilled_per_unit", from.unfilled_per_unit, &mut to.unfilled_per_unit),
            ("per_rejection", from.per_rejection, &mut to.per_rejection),
            ("per_late_shipment", from.per_late_shipment, &mut to.per_late_shipment),
            ("fixed_per_pickup", from.fixed_per_pickup, &mut to.fixed_per_pickup),
        ] {
            self.set(key, value, 0.0, COST_UNITS_MAX, place);
        }
    }

    fn split_and_prices(&mut self, file: &PolicyFile, policy: &mut Policy) {
        self.section = "split";
        if let Some(limit) = file.split.limit {
            match usize::try_from(limit) {
                Ok(limit) if (1..=SPLIT_MAX).contains(&limit) => policy.split.limit = limit,
                _ => {
                    self.refuse("limit", format!("limit {limit} is not between 1 and {SPLIT_MAX}"))
                }
            }
        }
        self.set(
            "min_value",
            file.split.min_value,
            0.0,
            f64::INFINITY,
            &mut policy.split.min_value,
        );
        self.section = "prices";
        let (from, to) = (&file.prices, &mut policy.prices);
        to.enabled = from.enabled.unwrap_or(to.enabled);
        to.forecast = from.forecast.clone();
        if let Some(every) = from.reprice_every {
            match u32::try_from(every) {
                Ok(every) if every > 0 => to.reprice_every = every,
                _ => self.refuse(
                    "reprice_every",
                    format!("{every} is not a number of orders; write 1 or more"),
                ),
            }
        }
        if let Some(orders) = from.horizon_orders {
            let mut checked = 0.0;
            self.set("horizon_orders", Some(orders), 1.0, 1e12, &mut checked);
            to.horizon_orders = Some(checked);
        }
    }

    fn filters(&mut self, file: &PolicyFile) -> Filters {
        self.section = "filters";
        let from = &file.filters;
        let kinds = self.kinds("kinds", &from.kinds);
        let owner = from.owner.as_ref().and_then(|owner| match owner.parse() {
            Ok(owner) => Some(owner),
            Err(error) => {
                self.refuse("owner", format!("{error}, not {owner:?}"));
                None
            }
        });
        let mut labels = |key, texts: &[String]| -> Vec<Label> {
            texts.iter().filter_map(|text| self.label(key, text)).collect()
        };
        let groups = labels("groups", &from.groups);
        let exclude_groups = labels("exclude_groups", &from.exclude_groups);
        let exclude_nodes = labels("exclude_nodes", &from.exclude_nodes);
        let mut min_accept = 0.0;
        self.set("min_accept", from.min_accept, 0.0, 1.0, &mut min_accept);
        Filters { kinds, owner, groups, exclude_groups, exclude_nodes, min_accept }
    }

    fn weights(&mut self, from: &WeightsFile) -> Weights {
        let mut to = Weights { delivery: from.delivery, ..Weights::NEUTRAL };
        to.channel = from.channel.as_ref().and_then(|channel| self.label("channel", channel));
        for (key, value, place) in [
            ("shipment", from.shipment, &mut to.shipment),
            ("distance", from.distance, &mut to.distance),
            ("handling", from.handling, &mut to.handling),
            ("lateness", from.lateness, &mut to.lateness),
            ("rejection", from.rejection, &mut to.rejection),
        ] {
            self.set(key, value, 0.0, 1e6, place);
        }
        self.set("max_km", from.max_km, 0.0, f64::INFINITY, &mut to.max_km);
        to
    }

    fn rule(&mut self, form: Delivery, from: &RuleFile, to: &mut Rule) {
        self.section = form.as_str();
        match (from.due_minutes, from.due_end_of_day) {
            (Some(_), Some(_)) => self
                .refuse("due_minutes", "state due_minutes or due_end_of_day, not both".to_owned()),
            (Some(minutes), None) => to.due = Due::AfterMinutes(minutes),
            (None, Some(days)) => to.due = Due::EndOfDay(days),
            (None, None) => {}
        }
        self.set("start_minutes", from.start_minutes, 0.0, 1e6, &mut to.start_minutes);
        self.set("speed_kmh", from.speed_kmh, 0.1, 1e4, &mut to.speed_kmh);
        self.set("spread", from.spread, 0.0, 10.0, &mut to.spread);
        self.set("max_km", from.max_km, 0.0, f64::INFINITY, &mut to.max_km);
        self.set("min_confidence", from.min_confidence, 0.0, 1.0, &mut to.min_confidence);
        if let Some(kinds) = &from.kinds {
            to.kinds = self.kinds("kinds", kinds);
        }
    }

    fn kinds(&mut self, key: &str, names: &[String]) -> u8 {
        let mut set = 0;
        for name in names {
            match name.parse::<NodeKind>() {
                Ok(kind) => set |= kind.bit(),
                Err(error) => self.refuse(key, format!("{error}, not {name:?}")),
            }
        }
        set
    }

    fn label(&mut self, key: &str, text: &str) -> Option<Label> {
        match Label::new(text) {
            Ok(label) => Some(label),
            Err(error) => {
                self.refuse(key, format!("{key} {text:?}: {error}"));
                None
            }
        }
    }

    fn set(&mut self, key: &str, value: Option<f64>, least: f64, most: f64, place: &mut f64) {
        let Some(value) = value else { return };
        if (least..=most).contains(&value) {
            *place = value;
        } else if most == f64::INFINITY {
            self.refuse(key, format!("{key} = {value} is too small; write {least} or more"));
        } else {
            self.refuse(key, format!("{key} = {value} is not between {least} and {most}"));
        }
    }

    fn refuse(&mut self, key: &str, message: String) {
        let (line, column) = key_place(self.text, self.section, key);
        let is_form = self.section.parse::<Delivery>().is_ok();
        let field = match self.section {
            "" => key.to_owned(),
            form if is_form => format!("delivery.{form}.{key}"),
            section => format!("{section}.{key}"),
        };
        self.problems.push(PolicyError { line, column, field, message });
    }
}

/// Line and column of a key: the first one below a header that ends with the section's name.
fn key_place(text: &str, section: &str, key: &str) -> (usize, usize) {
    let mut inside = section.is_empty();
    for (n, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']);
            inside = name == section || name.ends_with(&format!(".{section}"));
        } else if inside
            && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        {
            return (n + 1, raw.len() - raw.trim_start().len() + 1);
        }
    }
    (0, 0)
}

/// Line and column, from 1, of a byte.
fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (line, before.len() - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, String)> {
        let found = Policy::from_toml(text).expect_err("problems");
        found.0.into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    #[test]
    fn reads_every_section() {
        let policy = Policy::from_toml(
            r#"
version = 1
[costs]
fixed_per_shipment = 8.759
per_unit = 0.423
per_unit_km = 0.000336
unfilled_fixed = 17.5
unfilled_per_unit = 4
[distance]
detour = 1.0
[split]
limit = 3
min_value = 20
[prices]
enabled = true
reprice_every = 50
forecast = "past.csv"
[filters]
kinds = ["store"]
exclude_nodes = ["S1"]
[[priority]]
group = "north"
cost = -1.5
[protect]
store = 2
[[weights]]
channel = "live"
delivery = "one_hour"
distance = 2
[delivery.one_hour]
due_minutes = 45
max_km = 5
"#,
        )
        .expect("a policy");
        assert_eq!(policy.costs.fixed_per_shipment, 8.759);
        assert_eq!(policy.split.limit_for(19.0), 1);
        assert_eq!(policy.split.limit_for(0.0), 3, "an unknown value is not a small one");
        assert_eq!(policy.prices.forecast.as_deref(), Some("past.csv"));
        assert_eq!(policy.filters.kinds, NodeKind::Store.bit());
        assert_eq!(policy.protect[NodeKind::Store as usize], 2);
        assert_eq!(policy.rule(Delivery::OneHour).due, Due::AfterMinutes(45));
        assert_eq!(policy.rule(Delivery::OneHour).speed_kmh, 18.0, "the rest keeps its default");
        assert_eq!(policy.weights[0].distance, 2.0);
    }

    #[test]
    fn an_empty_file_is_the_plain_router() {
        let policy = Policy::from_toml("").expect("a policy");
        assert!(!policy.prices.enabled);
        assert_eq!(policy.detour, 1.32);
    }

    #[test]
    fn errors_name_the_line_and_the_remedy() {
        let text =
            "[costs]\nper_unit = -1\n[split]\nlimit = 9\n[delivery.same_day]\nspeed_kmh = 0\n";
        assert_eq!(
            problems(text),
            [
                (2, "per_unit = -1 is not between 0 and 1000000".to_owned()),
                (4, "limit 9 is not between 1 and 7".to_owned()),
                (6, "speed_kmh = 0 is not between 0.1 and 10000".to_owned()),
            ]
        );
    }

    #[test]
    fn unknown_fields_are_refused_with_the_known_ones() {
        let found = problems("[costs]\nper_unit = 1\nper_mile = 2\n");
        assert_eq!(found[0].0, 3);
        assert!(found[0].1.contains("per_mile") && found[0].1.contains("per_unit_km"), "{found:?}");
        assert_eq!(problems("[delivery.express]\nspeed_kmh = 1\n")[0].0, 1);
        assert_eq!(problems("[costs\n")[0].0, 1);
    }

    #[test]
    fn errors_name_the_column_and_the_field() {
        let text = "version = 2\n[costs]\n  per_unit = -1\n[delivery.one_hour]\nspread = 99\n";
        let found = Policy::from_toml(text).expect_err("problems").0;
        let places: Vec<(usize, usize, &str)> =
            found.iter().map(|p| (p.line, p.column, p.field.as_str())).collect();
        let expected =
            [(1, 1, "version"), (3, 3, "costs.per_unit"), (5, 1, "delivery.one_hour.spread")];
        assert_eq!(places, expected);
        assert!(found[1].to_string().starts_with("policy line 3, column 3: "), "{}", found[1]);
    }

    #[test]
    fn not_a_number_is_refused() {
        assert_eq!(problems("[distance]\ndetour = nan\n")[0].0, 2);
        assert_eq!(problems("[costs]\nper_unit = inf\n")[0].0, 2);
    }
}
