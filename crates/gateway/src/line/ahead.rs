//! Tickets issued before anybody came: what a reminder may carry.

use super::join::Joiner;
use super::lines::Lines;
use crate::reminders::TicketLink;
use onrush::{Engine, JoinRequest};
use std::sync::Arc;

/// Return what puts a buyer in line and makes a link of `page` with the ticket behind `#`, so that no
/// server on the way is shown it.
///
/// Only where everybody's place is the same: in a line with tiers, invite lists or an eligibility hook a
/// place given without asking could be the wrong one, and a buyer has one. Waits until the place is
/// durable; asked again, it gives the same ticket.
pub(crate) fn tickets_ahead(lines: Arc<Lines>, engine: Engine, page: String) -> TicketLink {
    Box::new(move |campaign, buyer| {
        let campaign = engine.campaign(campaign.name().as_str())?;
        let settings = lines.settings(&campaign).ok()?;
        let classes = &settings.classes;
        if classes.rules.len() > 1 || classes.invite_only || settings.hook.is_some() {
            return None;
        }
        let request = JoinRequest { campaign: &campaign, buyer, class: 0 };
        let ticket = engine.join(&request).wait().ok()?.granted()?;
        let page = page.replace("{campaign}", campaign.name().as_str());
        let lines = lines.clone();
        let joiner = Joiner { lines, campaign, settings, buyer, from: Box::default(), proof: None };
        let text = joiner.token(&ticket, engine.now());
        Some(format!("{page}#ticket={}", String::from_utf8_lossy(&text)))
    })
}
