//! How many requests of other homeservers are in work at a time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places for requests: so many in all, and so many for each who asks.
#[derive(Debug)]
pub(super) struct Places<K> {
    all: usize,
    each: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    // Only of those who have a request in work.
    each: HashMap<K, usize>,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Hash + Eq> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Places<K> {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::new(Taken { all: 0, each: HashMap::new() }) })
    }

    /// A place for one more request of `key`; `None` where it has its share. It has no more than are left for all others,
    /// so that few keys together never take every place.
    pub(super) fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut taken = self.taken();
        let own = taken.each.get(&key).copied().unwrap_or_default();
        if own >= self.each.min(self.all - taken.all) {
            return None;
        }
        taken.all += 1;
        *taken.each.entry(key.clone()).or_default() += 1;
        drop(taken);
        Some(Place { places: self.clone(), key })
    }
}

impl<K> Places<K> {
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(each) = taken.each.get_mut(&self.key) {
            *each -= 1;
            if *each == 0 {
                taken.each.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_some_places_and_all_together_have_more() {
        let places = Places::new(4, 2);
        let first = places.take("a").unwrap();
        let _second = places.take("a").unwrap();
        assert!(places.take("a").is_none());
        let other = places.take("b").unwrap();
        let _third = places.take("c").unwrap();
        assert!(places.take("d").is_none());
        drop(other);
        let fourth = places.take("d").unwrap();
        drop(first);
        assert!(places.take("a").is_none(), "it has as many as are left for others");
        drop(fourth);
        let _fifth = places.take("a").unwrap();
    }

    #[test]
    fn who_asks_nothing_is_forgotten() {
        let places = Places::new(3, 2);
        drop((places.take("a"), places.take("b"), places.take("a")));
        let taken = places.taken();
        assert_eq!((taken.all, taken.each.len()), (0, 0));
    }

    #[test]
    fn few_leave_places_for_others() {
        let places = Places::new(512, 256);
        let mut taken = Vec::new();
        for (key, share) in [("a", 256), ("b", 128), ("c", 64), ("d", 32)] {
            let before = taken.len();
            taken.extend(std::iter::from_fn(|| places.take(key)));
            assert_eq!(taken.len() - before, share);
        }
        assert!(places.take("e").is_some());
    }
}
