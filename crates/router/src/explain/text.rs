//! Explanations in English and Chinese.

use super::{Alternative, Counterfactual, Explanation, name};
use crate::cost::Cost;
use crate::network::Network;
use crate::offer::Excluded;
use crate::plan::{Plan, Shipment};

/// A language explanations are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Explanation {
    /// Write the explanation as sentences, most important first.
    pub fn sentences(&self, network: &Network, plan: &Plan, language: Language) -> Vec<String> {
        let words = Words { network, language };
        let mut out: Vec<String> =
            plan.shipments.iter().map(|shipment| words.shipment(plan, shipment)).collect();
        for unfilled in &plan.unfilled {
            let sku = network.sku_name(unfilled.sku);
            out.push(match language {
                Language::English => {
                    format!(
                        "{} of {sku} unfilled: no allowed node ships it for less than leaving it",
                        unfilled.units
                    )
                }
                Language::Chinese => {
                    format!(
                        "{sku} 有 {} 件未满足:没有可用门店能以低于放弃的成本发出",
                        unfilled.units
                    )
                }
            });
        }
        out.extend(self.alternatives.iter().map(|alternative| words.alternative(alternative)));
        out.extend(self.excluded.iter().map(|excluded| words.excluded(excluded)));
        out.push(words.proof(self));
        out
    }
}

struct Words<'a> {
    network: &'a Network,
    language: Language,
}

impl Words<'_> {
    fn shipment(&self, plan: &Plan, shipment: &Shipment) -> String {
        let node = name(self.network, shipment.node);
        let units: u32 = plan.picks_of(shipment).iter().map(|pick| pick.units).sum();
        let terms = &shipment.terms;
        let named = [
            (terms.shipment, "shipment", "发货"),
            (terms.units, "units", "件费"),
            (terms.distance, "distance", "里程"),
            (terms.handling, "handling", "备货"),
            (terms.lateness, "lateness risk", "超时风险"),
            (terms.rejection, "rejection risk", "拒单风险"),
            (terms.priority, "priority", "优先级"),
            (terms.opportunity, "value to later orders", "留给后续订单的价值"),
            (terms.slot, "value of the slot", "时段价值"),
        ];
        let parts: Vec<String> = named
            .iter()
            .filter(|(cost, ..)| *cost != Cost::ZERO)
            .map(|(cost, english, chinese)| match self.language {
                Language::English => format!("{english} {cost}"),
                Language::Chinese => format!("{chinese} {cost}"),
            })
            .collect();
        let parts = parts.join(", ");
        match self.language {
            Language::English => format!(
                "{node} ships {units} over {:.1} km for {}: {parts}",
                shipment.km, shipment.cost
            ),
            Language::Chinese => format!(
                "{node} 发出 {units} 件,{:.1} 公里,成本 {}:{parts}",
                shipment.km, shipment.cost
            ),
        }
    }

    fn alternative(&self, alternative: &Alternative) -> String {
        let nodes: Vec<&str> =
            alternative.nodes.iter().map(|&node| name(self.network, node)).collect();
        let nodes = nodes.join(" + ");
        match (self.language, alternative.nodes.is_empty()) {
            (Language::English, true) => {
                format!("leaving it unfilled loses by {}", alternative.more)
            }
            (Language::English, false) => {
                format!("{nodes} loses by {}; cheaper by more, it would win", alternative.more)
            }
            (Language::Chinese, true) => format!("放弃订单要多花 {}", alternative.more),
            (Language::Chinese, false) => {
                format!("{nodes} 多花 {};若再便宜更多即可胜出", alternative.more)
            }
        }
    }

    fn excluded(&self, counterfactual: &Counterfactual) -> String {
        let node = name(self.network, counterfactual.node);
        let why = match self.language {
            Language::English => english(&counterfactual.why),
            Language::Chinese => chinese(&counterfactual.why),
        };
        let would_win = match (counterfactual.would_win, counterfactual.why, self.language) {
            (true, Excluded::Late { cut_off_missed_ms: Some(missed), .. }, language) => {
                let minutes = missed / 60_000 + 1;
                match language {
                    Language::English => {
                        format!("; it would win if its cut-off were {minutes} minutes later")
                    }
                    Language::Chinese => format!(";截单时间晚 {minutes} 分钟即可胜出"),
                }
            }
            (true, Excluded::Late { late_ms: ..=0, .. }, Language::English) => {
                "; it would win if it were surer".to_owned()
            }
            (true, Excluded::Late { late_ms: ..=0, .. }, Language::Chinese) => {
                ";若更有把握即可胜出".to_owned()
            }
            (true, _, Language::English) => "; it would win if it were fast enough".to_owned(),
            (true, _, Language::Chinese) => ";若来得及即可胜出".to_owned(),
            (false, ..) => String::new(),
        };
        match self.language {
            Language::English => format!("{node} excluded: {why}{would_win}"),
            Language::Chinese => format!("{node} 被排除:{why}{would_win}"),
        }
    }

    fn proof(&self, explanation: &Explanation) -> String {
        let proof = &explanation.proof;
        let whole = proof.covers_network();
        match (self.language, whole) {
            (Language::English, true) => format!(
                "proven: no plan in the network weighs less than {} ({} nodes looked at)",
                proof.bound, proof.looked_at
            ),
            (Language::English, false) => format!(
                "proven among {} candidates: none weighs less than {}; nodes not looked at could, \
                 but not less than {}",
                proof.candidates,
                proof.bound,
                proof.outside.unwrap_or(proof.bound)
            ),
            (Language::Chinese, true) => format!(
                "已证明:全网没有低于 {} 的方案(查看了 {} 个门店)",
                proof.bound, proof.looked_at
            ),
            (Language::Chinese, false) => format!(
                "已证明:{} 个候选中没有低于 {} 的方案;未查看的门店不会低于 {}",
                proof.candidates,
                proof.bound,
                proof.outside.unwrap_or(proof.bound)
            ),
        }
    }
}

fn english(why: &Excluded) -> String {
    match why {
        Excluded::Filtered => "the policy's filters leave it out".to_owned(),
        Excluded::LeftOut => "it rejected this order".to_owned(),
        Excluded::Kind => "its kind does not ship this delivery".to_owned(),
        Excluded::NotChosen => "the order is collected elsewhere".to_owned(),
        Excluded::NoStock => "it has none of the SKUs".to_owned(),
        Excluded::Protected { free, floor } => {
            format!("safety stock leaves 0 ({free} free, {floor} kept)")
        }
        Excluded::Quota => "the channel's quota is used up".to_owned(),
        Excluded::TooFar { km, max_km } => format!("{km:.1} km away, {max_km:.1} allowed"),
        Excluded::Closed => "closed on every day that counts".to_owned(),
        Excluded::Full => "no free slot before the order is due".to_owned(),
        Excluded::Acceptance => "it accepts too few orders".to_owned(),
        Excluded::Late { confidence, late_ms, .. } if *late_ms <= 0 => format!(
            "{} min early on average, but sure with {:.0} % only: what it accepts and its road vary",
            -late_ms / 60_000,
            confidence * 100.0
        ),
        Excluded::Late { confidence, late_ms, .. } => format!(
            "on time with {:.0} % only, {} min late on average",
            confidence * 100.0,
            late_ms / 60_000
        ),
    }
}

fn chinese(why: &Excluded) -> String {
    match why {
        Excluded::Filtered => "策略筛选不含此店".to_owned(),
        Excluded::LeftOut => "此店已拒绝该订单".to_owned(),
        Excluded::Kind => "该类型门店不支持此配送方式".to_owned(),
        Excluded::NotChosen => "订单在别处自提".to_owned(),
        Excluded::NoStock => "没有所需商品".to_owned(),
        Excluded::Protected { free, floor } => {
            format!("安全库存扣除后为 0(可用 {free},保留 {floor})")
        }
        Excluded::Quota => "渠道配额已用完".to_owned(),
        Excluded::TooFar { km, max_km } => format!("距离 {km:.1} 公里,上限 {max_km:.1}"),
        Excluded::Closed => "有效日期内均不营业".to_owned(),
        Excluded::Full => "截止前没有空闲时段".to_owned(),
        Excluded::Acceptance => "接单率过低".to_owned(),
        Excluded::Late { confidence, late_ms, .. } if *late_ms <= 0 => format!(
            "平均提前 {} 分钟,但把握仅 {:.0}%:接单率与路况有波动",
            -late_ms / 60_000,
            confidence * 100.0
        ),
        Excluded::Late { confidence, late_ms, .. } => {
            format!("准时概率仅 {:.0}%,平均晚 {} 分钟", confidence * 100.0, late_ms / 60_000)
        }
    }
}
