//! The audit of the line: everything is counted again from the tickets.

use super::check::Violation;
use super::line::LineState;
use super::state::Ledger;
use onrush_types::{CampaignIx, KeyDigest, ReservationSeq, TicketNo};

impl Ledger {
    /// Count the tickets of each line again and compare with the running figures. O(tickets).
    pub(super) fn audit_lines(&self) -> Result<(), Violation> {
        for (campaign, line) in self.waiting_lines() {
            line.audit().map_err(|what| violation(campaign, what))?;
            let units = self.campaigns[campaign.index()].skus.values().fold(
                super::line::StockSum::default(),
                |mut sum, sku| {
                    sum.add(self.units_of(*sku));
                    sum
                },
            );
            let of_line = |seq: &u32| {
                let r = self.reservation(ReservationSeq(*seq)).expect("dense");
                self.skus[r.sku.index()].campaign == campaign
            };
            let all = (0..self.reservation_count()).filter(of_line);
            let (made, holds) = all.fold((0, 0), |(made, holds), seq| {
                let r = self.reservation(ReservationSeq(seq)).expect("dense");
                (made + u32::from(r.key != KeyDigest::OFFER), holds + u32::from(r.state.is_held()))
            });
            if (super::line::StockSum { holds, ..units }) != line.stock() {
                let what = format!("its stock is {units:?}, not {:?}", line.stock());
                return Err(violation(campaign, what));
            }
            if made != line.used() {
                let what = format!("{made} holds were made with {} tickets", line.used());
                return Err(violation(campaign, what));
            }
        }
        Ok(())
    }
}

impl LineState {
    fn audit(&self) -> Result<(), String> {
        let mut counted = vec![(0, 0); self.lanes.len()];
        let mut used = 0;
        for number in (0..self.joined()).map(TicketNo) {
            let ticket = self.ticket(number).ok_or("a ticket is missing")?;
            if self.ticket_of(ticket.buyer) != Some(number) {
                return Err(format!("the buyer of ticket {number} has another one too"));
            }
            used += u32::from(ticket.used);
            let (participants, arrivals) = &mut counted[usize::from(ticket.lane)];
            let state = &self.lanes[usize::from(ticket.lane)];
            if *participants < state.participants {
                *participants += 1;
            } else {
                let place = self.base(usize::from(ticket.lane)) + *participants + *arrivals;
                if ticket.place != Some(place) {
                    return Err(format!("ticket {number} has not place {place}, which is its own"));
                }
                *arrivals += 1;
            }
        }
        for (lane, counted) in self.lanes.iter().zip(counted) {
            if (lane.participants, lane.arrivals) != counted {
                return Err(format!("a lane says {lane:?}, its tickets {counted:?}"));
            }
            if lane.drawn.is_some_and(|drawn| drawn.count != lane.participants) {
                return Err("a draw left somebody out".to_owned());
            }
        }
        if used != self.used() {
            return Err(format!("{used} tickets are used, not {}", self.used()));
        }
        if self.served() > self.servable() {
            return Err("somebody was called up before the draw".to_owned());
        }
        Ok(())
    }
}

fn violation(campaign: CampaignIx, what: String) -> Violation {
    Violation { promise: "INV-11", what: format!("the line of {campaign:?}: {what}") }
}
