//! Puts that cross on their way into a slow cache.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use futures_util::FutureExt as _;

use super::super::Pointer;
use super::super::key::CollectionKeys;
use super::super::tests::{Shelf, TTL_MILLIS, object, stamp};
use super::*;

/// A cache whose calls take until a test says so, in any order.
#[derive(Default)]
struct Slow {
    shelf: Shelf,
    /// Calls that wait, and those that may end.
    calls: RefCell<(Vec<u32>, Vec<u32>, u32)>,
}

impl Slow {
    /// Takes until the test ends the call.
    async fn wait(&self) {
        let number = self.begin();
        std::future::poll_fn(|_| match self.calls.borrow().1.contains(&number) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn begin(&self) -> u32 {
        let mut calls = self.calls.borrow_mut();
        calls.2 += 1;
        let number = calls.2;
        calls.0.push(number);
        number
    }

    fn end_one(&self, choice: usize) {
        let mut calls = self.calls.borrow_mut();
        let waiting = calls.0.len();
        if waiting > 0 {
            let ended = calls.0.remove(choice % waiting);
            calls.1.push(ended);
        }
    }
}

impl Cache for Slow {
    async fn get(&self, key: &CacheKey) -> Option<Entry> {
        self.wait().await;
        let found = self.shelf.get(key).await;
        self.wait().await;
        found
    }

    async fn put(&self, key: &CacheKey, entry: Entry, keep: Keep) {
        self.wait().await;
        self.shelf.put(key, entry, keep).await;
        self.wait().await;
    }

    async fn put_unless(&self, _: &CacheKey, _: Entry, _: Keep, _: &Stays<'_>) {
        unreachable!("this is what is tested");
    }

    async fn delete(&self, key: &CacheKey) {
        self.shelf.delete(key).await;
    }
}

#[test]
fn of_puts_that_cross_the_newest_stays() {
    for seed in 0..300 {
        let (slow, underway) = (Slow::default(), Underway::default());
        let key = CollectionKeys::new(&object(), 1, "items").pointer();
        let stays = |there: &Entry, new: &Entry| Pointer::stays(there, new, 1_000);
        let mut random = Random(seed);
        let pointers = (1..=5).map(|sequence| Pointer {
            stamp: stamp(sequence),
            observed_at: i64::from(random.next() % 900),
        });
        let pointers: Vec<Pointer> = pointers.collect();
        let keep = Keep {
            ttl_millis: TTL_MILLIS,
            entries_max: 10,
        };
        let put = |pointer: &Pointer| {
            let put = underway.put_unless(&slow, &key, pointer.entry(), keep, &stays);
            Box::pin(put) as Pin<Box<dyn Future<Output = ()> + '_>>
        };
        let mut puts: Vec<_> = pointers.iter().map(put).collect();
        while !puts.is_empty() {
            let at = random.next() as usize % puts.len();
            if puts[at].as_mut().now_or_never().is_some() {
                drop(puts.swap_remove(at));
            }
            slow.end_one(random.next() as usize);
        }
        let kept = slow.shelf.get(&key).now_or_never().unwrap();
        let kept = kept.as_ref().and_then(Pointer::read);
        assert_eq!(kept, Some(pointers[4]), "seed {seed}");
    }
}

struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}
