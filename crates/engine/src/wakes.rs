//! Tells an embedder when the callers of a batch are woken.
//!
//! A sync ends the waits of everybody in its batch, and the ledger thread wakes them one after the
//! other. Each wake that rouses a sleeping thread costs a system call, and on a busy core often a
//! switch to that thread, which finds one caller and sleeps again. Whoever serves many callers on one
//! thread can note them instead and rouse that thread once, when the last was woken.

use std::sync::{Arc, OnceLock};

/// Is told around the wakes of one batch, on the ledger thread.
///
/// What is noted between the two must be delivered by [`end`](BatchWakes::end): nothing else follows.
pub trait BatchWakes: Send + Sync {
    /// Wakers of callers are called on this thread from now on.
    fn begin(&self);

    /// The last one was called. Also called when one of them panicked.
    fn end(&self);
}

/// Who is told; nobody at first.
#[derive(Default)]
pub(crate) struct Told(OnceLock<Arc<dyn BatchWakes>>);

impl Told {
    /// Tell `who` from now on, unless somebody is told already.
    pub(crate) fn set(&self, who: Arc<dyn BatchWakes>) {
        let _ = self.0.set(who);
    }

    /// Wake callers by `wake`, and tell who is to be told around it.
    pub(crate) fn around(&self, wake: impl FnOnce()) {
        struct End<'a>(&'a dyn BatchWakes);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _end = self.0.get().map(|who| {
            who.begin();
            End(&**who)
        });
        wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Notes(Mutex<Vec<&'static str>>);

    impl BatchWakes for Notes {
        fn begin(&self) {
            self.0.lock().push("begin");
        }

        fn end(&self) {
            self.0.lock().push("end");
        }
    }

    #[test]
    fn the_first_who_asked_is_told_around_every_batch_even_one_that_panics() {
        let (told, notes, late) =
            (Told::default(), Arc::new(Notes::default()), Arc::new(Notes::default()));
        told.around(|| notes.0.lock().push("before anybody asked"));
        told.set(notes.clone());
        told.set(late.clone());
        told.around(|| notes.0.lock().push("wake"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            told.around(|| panic!("a waker"));
        }));
        assert!(panicked.is_err());
        let heard = notes.0.lock().clone();
        assert_eq!(heard, ["before anybody asked", "begin", "wake", "end", "begin", "end"]);
        assert!(late.0.lock().is_empty());
    }
}
