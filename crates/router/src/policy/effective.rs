//! What a policy comes to with every default filled in, and what about it is likely a mistake.

use super::{POLICY_VERSION, Policy};
use crate::delivery::{Delivery, Due};
use crate::network::Network;
use crate::node::NodeKind;
use serde_json::{Map, Value, json};

/// One thing in a valid policy that is likely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDanger {
    /// The field.
    pub field: &'static str,
    /// What follows from it and what to write instead.
    pub problem: String,
}

impl Policy {
    /// Return every value the router will use, sections and names as in the file.
    ///
    /// What has no limit is `null`.
    pub fn effective(&self) -> Value {
        let costs = &self.costs;
        let filters = &self.filters;
        let protect = NodeKind::ALL
            .map(|kind| (kind.as_str().to_owned(), json!(self.protect[kind as usize])));
        let forms = Delivery::ALL.map(|form| (form.as_str().to_owned(), self.form(form)));
        let priority =
            self.priorities.iter().map(|p| json!({"group": p.group.as_str(), "cost": p.cost}));
        let names = |labels: &[crate::Label]| -> Value {
            labels.iter().map(|label| Value::from(label.as_str())).collect()
        };
        json!({
            "version": POLICY_VERSION,
            "costs": {
                "fixed_per_shipment": costs.fixed_per_shipment,
                "per_unit": costs.per_unit,
                "per_unit_km": costs.per_unit_km,
                "unfilled_fixed": costs.unfilled_fixed,
                "unfilled_per_unit": costs.unfilled_per_unit,
                "per_rejection": costs.per_rejection,
                "per_late_shipment": costs.per_late_shipment,
                "fixed_per_pickup": costs.fixed_per_pickup,
            },
            "distance": {"detour": self.detour, "max_km": limit(self.max_km)},
            "split": {"limit": self.split.limit, "min_value": self.split.min_value},
            "prices": {
                "enabled": self.prices.enabled,
                "reprice_every": self.prices.reprice_every,
                "forecast": self.prices.forecast,
                "horizon_orders": self.prices.horizon_orders,
            },
            "filters": {
                "kinds": kinds(filters.kinds),
                "owner": filters.owner.map(|owner| owner.as_str()),
                "groups": names(&filters.groups),
                "exclude_groups": names(&filters.exclude_groups),
                "exclude_nodes": names(&filters.exclude_nodes),
                "min_accept": filters.min_accept,
            },
            "priority": priority.collect::<Value>(),
            "protect": protect.into_iter().collect::<Map<_, _>>(),
            "weights": self.weights_value(),
            "delivery": forms.into_iter().collect::<Map<_, _>>(),
            "pickup": {"transfers": self.pickup_transfers},
            "hold": {"minutes": self.hold_minutes},
        })
    }

    fn weights_value(&self) -> Value {
        let one = |w: &super::Weights| {
            json!({
                "channel": w.channel.as_ref().map(|channel| channel.as_str()),
                "delivery": w.delivery.map(Delivery::as_str),
                "shipment": w.shipment,
                "distance": w.distance,
                "handling": w.handling,
                "lateness": w.lateness,
                "rejection": w.rejection,
                "max_km": limit(w.max_km),
            })
        };
        self.weights.iter().map(one).collect()
    }

    fn form(&self, form: Delivery) -> Value {
        let rule = self.rule(form);
        let mut value = json!({
            "start_minutes": rule.start_minutes,
            "speed_kmh": rule.speed_kmh,
            "spread": rule.spread,
            "max_km": limit(rule.max_km),
            "min_confidence": rule.min_confidence,
            "kinds": kinds(rule.kinds),
        });
        match rule.due {
            Due::Given => {}
            Due::AfterMinutes(minutes) => value["due_minutes"] = minutes.into(),
            Due::EndOfDay(days) => value["due_end_of_day"] = days.into(),
        }
        value
    }

    /// Return what is likely a mistake; with a network also names that it does not have.
    pub fn dangers(&self, network: Option<&Network>) -> Vec<PolicyDanger> {
        let mut found = Vec::new();
        let mut add = |field, problem: String| found.push(PolicyDanger { field, problem });
        let costs = &self.costs;
        let least = costs.fixed_per_shipment + costs.per_unit;
        if costs.unfilled_fixed + costs.unfilled_per_unit <= least {
            let problem = format!(
                "leaving one unit costs no more than shipping it ({least}), so single units are \
                 never shipped; write more"
            );
            add("costs.unfilled_per_unit", problem);
        }
        let prices = &self.prices;
        if prices.enabled && prices.forecast.is_none() && prices.horizon_orders.is_none() {
            let problem = "how many orders the stock has to last for is guessed from the stock; \
                           state it, or name a forecast";
            add("prices.horizon_orders", problem.to_owned());
        }
        if !prices.enabled && prices.forecast.is_some() {
            add("prices.forecast", "it is not read while prices are not enabled".to_owned());
        }
        if self.detour < 1.1 {
            let problem = format!("{} is shorter than roads are; 1.2 to 1.5 is usual", self.detour);
            add("distance.detour", problem);
        }
        let Some(network) = network else { return found };
        let mut unknown = |field, name: &crate::Label, is_known: bool| {
            if !is_known {
                let problem = format!("{name} is not in the node list, so nothing follows from it");
                found.push(PolicyDanger { field, problem });
            }
        };
        for name in &self.filters.exclude_nodes {
            unknown("filters.exclude_nodes", name, network.find_node(name.as_str()).is_some());
        }
        for name in &self.filters.groups {
            unknown("filters.groups", name, network.groups().contains(name));
        }
        for name in &self.filters.exclude_groups {
            unknown("filters.exclude_groups", name, network.groups().contains(name));
        }
        for rule in &self.priorities {
            unknown("priority.group", &rule.group, network.groups().contains(&rule.group));
        }
        found
    }
}

fn limit(km: f64) -> Option<f64> {
    km.is_finite().then_some(km)
}

/// Names of the kinds in a set; none stands for all.
fn kinds(set: u8) -> Vec<&'static str> {
    let is_in = |kind: &NodeKind| set == 0 || set & kind.bit() != 0;
    NodeKind::ALL.iter().filter(|kind| is_in(kind)).map(|kind| kind.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use crate::geo::Position;
    use crate::node::NodeSpec;

    fn policy(text: &str) -> Policy {
        Policy::from_toml(text).expect("a policy")
    }

    #[test]
    fn effective_values_read_back_as_the_same_policy() {
        let text = "[costs]\nper_unit = 0.5\n[distance]\nmax_km = 30\n[filters]\nkinds = \
                    [\"store\"]\nowner = \"own\"\nexclude_nodes = [\"a\"]\n[[priority]]\ngroup = \
                    \"g\"\ncost = -1\n[protect]\nstore = 2\n[[weights]]\nchannel = \"live\"\n\
                    distance = 2\nmax_km = 9\n[delivery.one_hour]\ndue_minutes = 45\nmax_km = 8\n\
                    [prices]\nenabled = true\nhorizon_orders = 70\n";
        let first = policy(text);
        let mut value = first.effective();
        strip_nulls(&mut value);
        let again = policy(&as_toml("", &value));
        assert_eq!(again.effective(), first.effective());
        assert_eq!(again.rule(Delivery::OneHour).due, Due::AfterMinutes(45));
    }

    /// JSON of numbers, strings and lists is TOML as it stands; only tables are written otherwise.
    fn as_toml(name: &str, value: &Value) -> String {
        let Value::Object(fields) = value else { unreachable!("a section") };
        let (mut text, mut below) = (String::new(), String::new());
        for (key, field) in fields {
            let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            match field {
                Value::Object(_) => below += &format!("[{path}]\n{}", as_toml(&path, field)),
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    for item in items {
                        below += &format!("[[{path}]]\n{}", as_toml(&path, item));
                    }
                }
                _ => text += &format!("{key} = {field}\n"),
            }
        }
        text + &below
    }

    fn strip_nulls(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|_, field| !field.is_null());
                fields.values_mut().for_each(strip_nulls);
            }
            Value::Array(items) => items.iter_mut().for_each(strip_nulls),
            _ => {}
        }
    }

    #[test]
    fn dangers_name_what_is_likely_not_meant() {
        let fields = |text: &str, network: Option<&Network>| -> Vec<&'static str> {
            policy(text).dangers(network).iter().map(|danger| danger.field).collect()
        };
        assert!(fields("", None).is_empty());
        let cheap = "[costs]\nunfilled_per_unit = 0\n[distance]\ndetour = 1\n";
        assert_eq!(fields(cheap, None), ["costs.unfilled_per_unit", "distance.detour"]);
        assert_eq!(fields("[prices]\nenabled = true\n", None), ["prices.horizon_orders"]);
        assert_eq!(fields("[prices]\nforecast = \"p\"\n", None), ["prices.forecast"]);
        let at = Position::new(1.0, 2.0).expect("on the globe");
        let mut node = NodeSpec::new(Label::new("a").expect("a label"), NodeKind::Store, at);
        node.groups = vec![Label::new("north").expect("a label")];
        let network = Network::build(vec![node], Vec::new()).expect("a network");
        let names = "[filters]\nexclude_nodes = [\"a\", \"b\"]\ngroups = [\"north\", \"south\"]\n\
                     exclude_groups = [\"x\"]\n[[priority]]\ngroup = \"y\"\ncost = 1\n";
        let expected =
            ["filters.exclude_nodes", "filters.groups", "filters.exclude_groups", "priority.group"];
        assert_eq!(fields(names, Some(&network)), expected);
    }
}
