//! Batches: a back end reserves for several buyers in one request. Each entry is a reserve of its own,
//! with its own key and its own answer; one that is refused does not touch the others.

use crate::history::{Flight, Flow, Run, wrong};
use crate::http;
use crate::oracle::Holds;
use crate::plan::BATCH_MAX;
use crate::said::Said;
use crate::world::{Ask, Shown, Waits, World};
use onrush_gateway::Waiting;
use std::cell::RefCell;
use std::rc::Rc;

/// One entry of a batch that is under way.
#[derive(Debug)]
pub struct Entry {
    batch: Rc<RefCell<Batch>>,
    at: usize,
}

/// A batch: on its way, or its answers in the order of its entries.
#[derive(Debug)]
pub(crate) enum Batch {
    Waits(Waiting),
    Said(Vec<Said>),
}

/// A batch under way, and what must be said of entries that were decided at once.
pub(crate) type Sent = (Rc<RefCell<Batch>>, Vec<(usize, Ask, String)>);

impl Entry {
    /// Take its answer, once the batch has all of them.
    pub(crate) fn take(&self, world: &World) -> Option<Said> {
        self.batch.borrow_mut().said(world).map(|said| said[self.at])
    }
}

impl Batch {
    fn said(&mut self, world: &World) -> Option<&[Said]> {
        if let Batch::Waits(waiting) = self {
            *self = Batch::Said(http::take_batch(waiting, world)?);
        }
        match self {
            Batch::Said(said) => Some(said),
            Batch::Waits(_) => None,
        }
    }
}

impl Run<'_> {
    /// Send a batch to campaign `camp`: as one request where there is a gateway, else one reserve after
    /// the other.
    pub(crate) fn batch(&mut self, camp: usize, entries: [(u8, u8, u8, u8); BATCH_MAX]) -> Flow {
        let skus = self.oracle.model.skus.iter().enumerate();
        let skus: Vec<usize> = skus.filter(|(_, sku)| sku.camp == camp).map(|(at, _)| at).collect();
        let asks = entries.map(|(buyer, sku, units, key)| {
            let (sku, units) = (skus[usize::from(sku) % skus.len()], u32::from(units));
            Ask::Reserve { sku, buyer, units, key, review: false, shown: Shown::Nothing }
        });
        if self.world.gateway.is_none() {
            return asks.into_iter().try_for_each(|ask| self.send(ask, None, false));
        }
        self.send_batch(camp, asks)
    }

    fn send_batch(&mut self, camp: usize, asks: [Ask; BATCH_MAX]) -> Flow {
        let gateway = self.world.gateway.as_ref().expect("looked at before");
        let waiting = http::batch(&self.world, gateway, camp, &asks, self.lexicon);
        let batch = Rc::new(RefCell::new(waiting));
        let mut early = Vec::new();
        for (at, ask) in asks.into_iter().enumerate() {
            // Each entry meets those before it, as if they had come one by one.
            match self.expected_at_once(&ask) {
                Some(expected) => early.push((at, ask, expected)),
                None => {
                    let waits = Waits::Entry(Entry { batch: batch.clone(), at });
                    self.fly(Flight { ask, waits, notice: None });
                }
            }
        }
        self.batches.push((batch, early));
        Ok(self.batches_answered()?)
    }

    /// Compare what was decided at once with what the batches that are back say of it.
    pub(crate) fn batches_answered(&mut self) -> Holds {
        for (batch, early) in std::mem::take(&mut self.batches) {
            let said = batch.borrow_mut().said(&self.world).map(<[Said]>::to_vec);
            let Some(said) = said else {
                self.batches.push((batch, early));
                continue;
            };
            for (at, ask, expected) in early {
                self.tell(|| format!("       {ask:?}: {}", said[at]));
                if !said[at].is(&expected) {
                    return wrong(&ask, Some(expected), Some(said[at]));
                }
            }
        }
        Ok(())
    }
}
