//! The payment provider: what is paid, and when its notices come, how often and in which order.

use crate::history::{Flow, Notice, Run};
use crate::plan::Sum;
use crate::world::Ask;
use onrush::ledger::naive_model::Line;

impl Run<'_> {
    /// Let the provider hear of money for hold `n`, and tell of it later.
    pub(crate) fn pay(&mut self, n: usize, sum: Sum, (lag, copies): (u8, u8), key: Option<u8>) {
        let amount = self.oracle.model.res[n].amount.max(1);
        // A reference is one byte in the model's words.
        let reference = self.notices.len().min(254) as u8;
        let line = |amount, foreign| Line { reference, amount, foreign, back: 0 };
        let line = match sum {
            Sum::Exact => line(amount, false),
            Sum::Half => line((amount / 2).max(1), false),
            Sum::Over => line(amount + 70, false),
            Sum::Foreign => line(amount, true),
            Sum::Again => match self.notices.last() {
                Some(earlier) => Line { reference: earlier.line.reference, ..line(amount, false) },
                None => line(amount, false),
            },
        };
        self.notices.push(Notice { n, line, key, answered: false, known: false });
        for copy in 0..usize::from(copies) {
            self.post.push((self.at + 1 + usize::from(lag) * (copy + 1), self.notices.len() - 1));
        }
    }

    /// Let the provider send what is due.
    pub(crate) fn deliver(&mut self) -> Flow {
        while let Some(next) = self.post.iter().position(|(at, _)| *at <= self.at) {
            let (_, notice) = self.post.swap_remove(next);
            let Notice { n, line, key, .. } = self.notices[notice];
            self.send(Ask::Confirm { n, line: Some(line), key }, Some(notice), false)?;
        }
        Ok(())
    }
}
