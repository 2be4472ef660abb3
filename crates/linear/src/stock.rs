//! One SKU as a sequential object: what each operation may answer when nothing else goes on.

use crate::history::{Ask, Said, Terms};
use onrush::State;
use todc_utils::Specification;

/// An operation with its answer, or something that happens by itself.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The beginning: a SKU of these terms, wanted by so many keys.
    Begin(Terms, usize),
    /// Somebody asked, and heard this, or nothing.
    Asked(Wish, Ask, Option<Said>),
    /// Somebody was told of a state: it is read after what was asked for was done.
    Told(u32, State),
    /// A refusal that other requests of the same buyer explain, though none of them was granted.
    Excused,
    /// A hold is over.
    Expire(u32),
    /// The server died before this hold was on disk.
    Lose(u32),
}

/// The reservation that an operation is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) key: u32,
    pub(crate) buyer: u32,
    pub(crate) quantity: u32,
}

/// A reservation, as far as anybody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Known {
    state: Option<State>,
    buyer: u32,
    quantity: u32,
    /// Somebody was told that it is there.
    told: bool,
    /// The payment was booked: it counts once.
    paid: bool,
}

/// A SKU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stock {
    supply: u32,
    limit: u32,
    keys: Vec<Known>,
}

impl Specification for Stock {
    type State = Stock;
    type Operation = Step;

    fn init() -> Stock {
        Stock::default()
    }

    fn apply(step: &Step, stock: &Stock) -> (bool, Stock) {
        let mut stock = stock.clone();
        let fits = match step {
            Step::Begin(terms, keys) => {
                let keys = vec![Known::default(); *keys];
                stock = Stock { supply: terms.supply, limit: terms.limit, keys };
                true
            }
            Step::Asked(wish, ask, said) => match ask {
                Ask::Reserve => stock.reserve(*wish, said.as_ref()),
                Ask::Release => stock.release(wish.key, said.as_ref()),
                Ask::Confirm => stock.confirm(wish.key, said.as_ref()),
                Ask::Cancel => stock.cancel(wish.key, said.as_ref()),
                // What is told of is a step of its own; nothing else may be answered.
                Ask::Look => matches!(said, Some(Said::Is { .. })),
            },
            Step::Told(key, state) => stock.tells(*key, *state),
            Step::Excused => true,
            Step::Expire(key) => {
                stock.turn(*key, State::Held, State::Expired);
                true
            }
            Step::Lose(key) => {
                let known = &mut stock.keys[*key as usize];
                if known.state == Some(State::Held) && !known.told {
                    *known = Known::default();
                }
                true
            }
        };
        (fits, stock)
    }
}

impl Stock {
    fn reserve(&mut self, wish: Wish, said: Option<&Said>) -> bool {
        let Wish { key, buyer, quantity } = wish;
        let is_new = self.keys[key as usize].state.is_none();
        let within = self.owned(buyer) + quantity <= self.limit;
        let enough = self.free() >= quantity;
        match said {
            Some(Said::Is { new: true, .. }) => {
                self.hold(wish, true);
                is_new && within && enough
            }
            Some(Said::Is { .. }) => !is_new,
            Some(Said::Limit) => is_new && !within,
            Some(Said::NoUnits) => is_new && within && !enough,
            Some(_) => false,
            None => {
                if is_new && within && enough {
                    self.hold(wish, false);
                }
                true
            }
        }
    }

    fn release(&mut self, key: u32, said: Option<&Said>) -> bool {
        let state = self.keys[key as usize].state;
        match said {
            Some(Said::Final) => matches!(state, Some(State::Sold | State::Cancelled)),
            Some(Said::Expired) => state == Some(State::Expired),
            Some(Said::Is { .. }) | None => {
                self.turn(key, State::Held, State::Released);
                said.is_none() || self.keys[key as usize].state == Some(State::Released)
            }
            Some(_) => false,
        }
    }

    /// Book the whole price, once: it sells a hold, and one that expired where that is still possible.
    fn confirm(&mut self, key: u32, said: Option<&Said>) -> bool {
        let Known { state, buyer, quantity, paid, .. } = self.keys[key as usize];
        if !paid && state.is_some() {
            let fits = self.free() >= quantity && self.owned(buyer) + quantity <= self.limit;
            let known = &mut self.keys[key as usize];
            known.paid = true;
            if state == Some(State::Held) || (state == Some(State::Expired) && fits) {
                known.state = Some(State::Sold);
            }
        }
        said.is_none_or(|said| matches!(said, Said::Is { .. }))
    }

    fn cancel(&mut self, key: u32, said: Option<&Said>) -> bool {
        self.turn(key, State::Sold, State::Cancelled);
        said.is_none_or(|said| matches!(said, Said::Is { .. }))
    }

    fn hold(&mut self, wish: Wish, told: bool) {
        let Wish { key, buyer, quantity } = wish;
        let state = Some(State::Held);
        self.keys[key as usize] = Known { state, buyer, quantity, told, paid: false };
    }

    fn turn(&mut self, key: u32, from: State, to: State) {
        let known = &mut self.keys[key as usize];
        if known.state == Some(from) {
            known.state = Some(to);
        }
    }

    /// Tell whether this is the state, and remember that somebody knows.
    fn tells(&mut self, key: u32, state: State) -> bool {
        let known = &mut self.keys[key as usize];
        known.told = true;
        known.state == Some(state)
    }

    fn taken(&self, whose: impl Fn(&Known) -> bool) -> u32 {
        let takes = |known: &&Known| known.state.is_some_and(State::counts_towards_limit);
        self.keys
            .iter()
            .filter(takes)
            .filter(|known| whose(known))
            .map(|known| known.quantity)
            .sum()
    }

    fn free(&self) -> u32 {
        self.supply.saturating_sub(self.taken(|_| true))
    }

    fn owned(&self, buyer: u32) -> u32 {
        self.taken(|known| known.buyer == buyer)
    }
}
