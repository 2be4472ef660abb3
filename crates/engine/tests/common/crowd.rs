//! A crowd that waits in a line: buyers named by number, and the draw recomputed by the plain rule.

use super::*;
use onrush::draw_rule::draw::recompute;

/// When the sale of [`waiting_line`] opens, counted from [`T0`].
pub(crate) const OPENS: u64 = 60 * SECOND;
/// How long before that joining closes.
pub(crate) const DRAWS: u64 = 10 * SECOND;

/// A sale with a line in which all are equal: joining opens at once, the draw is 10 s before the
/// opening in a minute; one unit a buyer, passes of 20 s, 30 s to come back.
pub(crate) fn waiting_line(campaign: &str, supply: u32) -> CampaignSpec {
    let mut spec = spec(campaign, &[("unit", supply)]);
    spec.terms.schedule = Schedule {
        preheat_at: Some(Timestamp(T0)),
        draw_at: Some(Timestamp(T0 + OPENS - DRAWS)),
        opens_at: Some(Timestamp(T0 + OPENS)),
        closes_at: None,
    };
    spec.terms.limit_per_buyer = 1;
    spec.line = Some(LineTerms {
        pass: DurationMs(20 * SECOND),
        grace: DurationMs(30 * SECOND),
        ..LineTerms::equal()
    });
    spec
}

pub(crate) fn buyer(n: u32) -> String {
    format!("buyer-{n}")
}

impl World {
    pub(crate) fn ask_to_join(
        &self,
        campaign: &Campaign,
        buyer: &str,
        class: u8,
    ) -> Pending<Ticket> {
        let buyer = self.engine.buyer(buyer);
        self.engine.join(&JoinRequest { campaign, buyer, class })
    }

    pub(crate) fn join(&mut self, campaign: &Campaign, buyer: &str) -> Decision<Ticket> {
        let pending = self.ask_to_join(campaign, buyer, 0);
        self.done(pending)
    }

    /// Let buyers `from..to` join, in that order.
    pub(crate) fn crowd(&mut self, campaign: &Campaign, from: u32, to: u32, class: u8) {
        // A batch must fit the small segments of these worlds.
        for start in (from..to).step_by(100) {
            let batch = start..to.min(start + 100);
            let asked: Vec<_> =
                batch.map(|n| self.ask_to_join(campaign, &buyer(n), class)).collect();
            for asked in asked {
                done(self.done(asked));
            }
        }
    }

    pub(crate) fn reserve_with(
        &mut self,
        campaign: &Campaign,
        buyer: &str,
        pass: PassShown,
    ) -> Decision<Reservation> {
        let buyer = self.engine.buyer(buyer);
        let mut ask = ReserveRequest::new(campaign, "unit", buyer, "k");
        ask.pass = pass;
        let pending = self.engine.reserve(&ask);
        self.done(pending)
    }

    /// Let time pass, in steps in which people are called up.
    pub(crate) fn pass_time(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.clock.advance(100);
            self.driver.settle();
        }
        self.clock.advance(ms % 100);
        self.driver.settle();
    }

    pub(crate) fn standing(&self, campaign: &Campaign, number: u32) -> Standing {
        self.engine.standing(campaign, TicketNo(number)).expect("a ticket")
    }

    pub(crate) fn view_of(&self, campaign: &Campaign) -> Arc<LineView> {
        self.engine.line(campaign).expect("it has a line")
    }
}

/// A world with a sale that has just opened and been drawn, after `crowd` buyers joined.
pub(crate) fn opened(seed: u64, crowd: u32, spec: &CampaignSpec) -> (World, Arc<Campaign>) {
    let mut world = World::new(seed);
    let campaign = world.put(spec.clone());
    world.crowd(&campaign, 0, crowd, 0);
    world.pass_time(OPENS);
    let campaign = world.engine.campaign(spec.name.as_str()).expect("it was put");
    (world, campaign)
}

/// Return the place of each ticket.
pub(crate) fn places(world: &World, campaign: &Campaign, tickets: u32) -> Vec<u32> {
    let place = |number| match world.standing(campaign, number) {
        Standing::Waiting { place, .. } => place,
        Standing::Served { pass } => pass.place,
        other => panic!("ticket {number} has no place: {other:?}"),
    };
    (0..tickets).map(place).collect()
}

/// Recompute the draw of a lane from what is published, by the plain rule.
pub(crate) fn independent(world: &World, campaign: &Campaign, lane: u8) -> Vec<u32> {
    let view = world.view_of(campaign);
    let of = &view.lanes[usize::from(lane)];
    let drawn = of.drawn.expect("it was drawn");
    let list = world.engine.participants(campaign, lane, 0, usize::MAX);
    assert_eq!(list.len() as u32, drawn.count);
    assert_eq!(drawn.seed.commitment(), of.commitment, "the seed that was promised");
    let weights = campaign.line_terms().expect("it has a line").weights();
    let drawing = recompute(&drawn.seed, of.public_value.as_deref(), &list, weights);
    let drawing = drawing.expect("a list of a draw");
    assert_eq!((drawing.list_digest, drawing.turn), (drawn.list_digest, drawn.turn));
    drawing.ranks().into_iter().map(|rank| of.base + rank).collect()
}
