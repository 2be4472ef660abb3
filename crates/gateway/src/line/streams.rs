//! Server-sent events: everybody who listens to a campaign is sent the same bytes.
//!
//! A frame is the present state, not a change, so a listener that is slow misses nothing but what is
//! out of date. It is written once when something changed; a listener keeps a number and a pointer.
//! Between changes a comment shows both ends that the other one is there.
//!
//! Source: the HTML standard, *Server-sent events*.

use arc_swap::ArcSwap;
use bytes::Bytes;
use onrush::CampaignIx;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// Sent when there is nothing to say, as a chunk.
const COMMENT: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");

/// Ends a chunk's size, and a chunk.
const CHUNK_END: &[u8] = b"\r\n";

/// Everybody who listens, by campaign.
#[derive(Debug)]
pub(crate) struct Streams {
    channels: RwLock<BTreeMap<CampaignIx, Arc<Channel>>>,
    open: Arc<AtomicUsize>,
    open_max: usize,
}

/// What is said about one campaign, and who waits to hear it.
#[derive(Debug)]
struct Channel {
    said: ArcSwap<Said>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Said {
    /// Counts changes.
    frame: u64,
    /// Counts comments.
    beat: u64,
    told: Told,
    over: bool,
}

/// What a listener is told, framed once for all of them.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its size, the bytes, and the end of a chunk (RFC 9112 §7.1).
    chunk: Bytes,
}

/// A place for each listener's waker; one that is free is used again.
#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Option<Waker>>,
    free: Vec<u32>,
}

/// One listener. Dropping it frees its place.
#[derive(Debug)]
pub struct Listener {
    channel: Arc<Channel>,
    open: Arc<AtomicUsize>,
    place: u32,
    frame: u64,
    beat: u64,
}

impl Streams {
    pub(crate) fn new(open_max: usize) -> Streams {
        Streams { channels: RwLock::default(), open: Arc::default(), open_max }
    }

    /// Listen to a campaign; `first` writes the present state for its first listener. `None` when
    /// there are as many listeners as there may be.
    pub(crate) fn listen(
        &self,
        campaign: CampaignIx,
        first: impl FnOnce() -> Vec<u8>,
    ) -> Option<Listener> {
        // Relaxed: the count guards nothing but itself.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.open_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let known = self.channels.read().get(&campaign).cloned();
        let channel = known.unwrap_or_else(|| {
            let mut channels = self.channels.write();
            let new = || Arc::new(Channel::new(Told::new(&first())));
            channels.entry(campaign).or_insert_with(new).clone()
        });
        let place = channel.waiting.lock().take_place();
        Some(Listener { channel, open: self.open.clone(), place, frame: 0, beat: 0 })
    }

    /// Return the campaigns somebody has listened to.
    pub(crate) fn campaigns(&self) -> Vec<CampaignIx> {
        self.channels.read().keys().copied().collect()
    }

    /// Say what is true of a campaign now; nothing is sent when that was said last.
    pub(crate) fn say(&self, campaign: CampaignIx, state: Vec<u8>) {
        let channel = self.channels.read().get(&campaign).cloned();
        if let Some(channel) = channel.filter(|channel| channel.said.load().told.bytes() != state) {
            channel.change(|said| Said { frame: said.frame + 1, told: Told::new(&state), ..*said });
        }
    }

    /// Show every listener that this end is there.
    pub(crate) fn beat(&self) {
        self.each(|said| Said { beat: said.beat + 1, told: said.told.clone(), ..*said });
    }

    /// End every stream.
    pub(crate) fn end(&self) {
        self.each(|said| Said { over: true, told: said.told.clone(), ..*said });
    }

    /// Return how many listen.
    pub(crate) fn open(&self) -> usize {
        // Relaxed: a figure that stands alone.
        self.open.load(Ordering::Relaxed)
    }

    fn each(&self, next: impl Fn(&Said) -> Said) {
        let all: Vec<Arc<Channel>> = self.channels.read().values().cloned().collect();
        all.iter().for_each(|channel| channel.change(&next));
    }
}

impl Told {
    fn new(bytes: &[u8]) -> Told {
        let mut chunk = format!("{:x}", bytes.len()).into_bytes();
        for part in [CHUNK_END, bytes, CHUNK_END] {
            chunk.extend_from_slice(part);
        }
        Told { chunk: chunk.into() }
    }

    /// Return it as a chunk of an answer. Cost: nothing is copied.
    pub fn chunk(&self) -> Bytes {
        self.chunk.clone()
    }

    /// Return it plain. Cost: nothing is copied.
    pub fn bytes(&self) -> Bytes {
        let size_end = self.chunk.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.chunk.slice(size_end..self.chunk.len() - CHUNK_END.len())
    }
}

impl Channel {
    fn new(told: Told) -> Channel {
        let said = Said { frame: 1, beat: 0, told, over: false };
        Channel { said: ArcSwap::from_pointee(said), waiting: Mutex::default() }
    }

    /// Say something else, then wake everybody.
    fn change(&self, next: impl FnOnce(&Said) -> Said) {
        let wakers: Vec<Waker> = {
            // Under the lock, so that of two changes at one time none is lost.
            let mut waiting = self.waiting.lock();
            self.said.store(Arc::new(next(&self.said.load())));
            waiting.places.iter_mut().filter_map(Option::take).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Waiting {
    fn take_place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            (self.places.len() - 1) as u32
        })
    }
}

impl Listener {
    /// Return what is new, once there is something; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Some(next) = self.news() {
            return Poll::Ready(next);
        }
        self.channel.waiting.lock().places[self.place as usize] = Some(cx.waker().clone());
        // What was said before the waker was left is seen here; what is said later wakes.
        self.news().map_or(Poll::Pending, Poll::Ready)
    }

    fn news(&mut self) -> Option<Option<Told>> {
        let said = self.channel.said.load();
        if said.over {
            return Some(None);
        }
        if said.frame != self.frame {
            (self.frame, self.beat) = (said.frame, said.beat);
            return Some(Some(said.told.clone()));
        }
        if said.beat != self.beat {
            self.beat = said.beat;
            return Some(Some(Told { chunk: COMMENT }));
        }
        None
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut waiting = self.channel.waiting.lock();
        waiting.places[self.place as usize] = None;
        waiting.free.push(self.place);
        // Relaxed: as in `listen`.
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    const ONE: CampaignIx = CampaignIx(1);

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            // Relaxed: counted and read on one thread.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn hears(listener: &mut Listener, woken: &Arc<Woken>) -> Option<Option<Bytes>> {
        let waker = Waker::from(woken.clone());
        match listener.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(next) => Some(next.map(|told| told.bytes())),
            Poll::Pending => None,
        }
    }

    #[test]
    fn everybody_hears_the_same_bytes_once() {
        let streams = Streams::new(2);
        let mut ann = streams.listen(ONE, || b"a".to_vec()).expect("room");
        let mut ben = streams.listen(ONE, || unreachable!("it was said already")).expect("room");
        assert!(streams.listen(ONE, Vec::new).is_none(), "two may listen");
        let woken = Arc::new(Woken::default());
        let first = hears(&mut ann, &woken).flatten().expect("the present state");
        assert_eq!(first, "a");
        assert_eq!(hears(&mut ann, &woken), None);
        streams.say(ONE, b"a".to_vec());
        assert_eq!(hears(&mut ann, &woken), None, "nothing new");
        streams.say(ONE, b"b".to_vec());
        streams.say(ONE, b"c".to_vec());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        let (to_ann, to_ben) = (hears(&mut ann, &woken), hears(&mut ben, &woken));
        let (to_ann, to_ben) = (to_ann.flatten().expect("c"), to_ben.flatten().expect("c"));
        assert_eq!((&to_ann[..], to_ann.as_ptr()), (&b"c"[..], to_ben.as_ptr()), "one frame");
        streams.beat();
        assert_eq!(hears(&mut ben, &woken), Some(Some(Bytes::from_static(b":\n\n"))));
        assert_eq!(hears(&mut ben, &woken), None);
        streams.end();
        assert_eq!(hears(&mut ben, &woken), Some(None));
        assert_eq!(hears(&mut ann, &woken), Some(None));
    }

    #[test]
    fn a_chunk_is_its_size_and_its_bytes() {
        for (bytes, chunk) in
            [("", "0\r\n\r\n"), (&*"x".repeat(26), &*format!("1a\r\n{}\r\n", "x".repeat(26)))]
        {
            let told = Told::new(bytes.as_bytes());
            assert_eq!(
                (told.chunk(), told.bytes()),
                (Bytes::from(chunk.to_owned()), Bytes::from(bytes.to_owned()))
            );
        }
        assert_eq!(Told { chunk: COMMENT }.bytes(), ":\n\n");
    }

    #[test]
    fn who_leaves_makes_room_and_is_not_woken() {
        let streams = Streams::new(1);
        let mut ann = streams.listen(ONE, || b"a".to_vec()).expect("room");
        let woken = Arc::new(Woken::default());
        let _ = hears(&mut ann, &woken);
        assert_eq!(hears(&mut ann, &woken), None);
        drop(ann);
        assert_eq!(streams.open(), 0);
        let ben = streams.listen(ONE, Vec::new).expect("room again");
        assert_eq!(ben.place, 0, "the place is used again");
        streams.say(ONE, b"b".to_vec());
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        streams.say(CampaignIx(2), b"x".to_vec());
        assert_eq!(streams.campaigns(), [ONE], "nobody listens to the other");
    }
}
