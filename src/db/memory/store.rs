//! The store.

use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use super::aside::Aside;
use super::tables::Tables;
use crate::db::{
    Answer, Change, ClusterEvent, Counter, DbError, Entities, Entity, Lock, Model, Page, Query, Store,
    StoreInfo, TagPage, View, Written, notes,
};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    model: Arc<Model>,
    author: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tables: Tables,
    aside: Aside,
}

impl Memory {
    /// A store without rows.
    pub fn new(model: Arc<Model>) -> Memory {
        let state = State { tables: Tables::new(Arc::clone(&model)), aside: Aside::default() };
        Memory { model, author: Uuid::new_v4().to_string(), state: Mutex::new(state) }
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Tables) -> Result<T, DbError>) -> Answer<T> {
        answer(read(&self.state.lock().tables))
    }

    fn aside<T: Send + 'static>(&self, work: impl FnOnce(&mut Aside) -> T) -> Answer<T> {
        answer(Ok(work(&mut self.state.lock().aside)))
    }
}

fn answer<T: Send + 'static>(result: Result<T, DbError>) -> Answer<T> {
    Box::pin(ready(result))
}

impl Store for Memory {
    fn info(&self) -> StoreInfo {
        StoreInfo { strategy: "memory", ..StoreInfo::default() }
    }

    fn author(&self) -> &str {
        &self.author
    }

    fn ping(&self) -> Answer<()> {
        answer(Ok(()))
    }

    fn select(&self, kind: &str, key: &Entity, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.read(|tables| tables.select(kind, key, view))
    }

    fn select_by(&self, kind: &str, field: &str, value: &Value, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.read(|tables| tables.select_by(kind, field, value, view))
    }

    fn select_by_cache_key(&self, kind: &str, cache_key: &str, view: &View) -> Answer<Option<Arc<Entity>>> {
        self.read(|tables| tables.select_by_cache_key(kind, cache_key, view))
    }

    fn page(&self, kind: &str, query: &Query, view: &View) -> Answer<Page> {
        self.read(|tables| tables.page(kind, query, view))
    }

    fn load(&self, kinds: &[&str]) -> Answer<Entities> {
        self.read(|tables| tables.load(kinds))
    }

    fn write(&self, changes: Vec<Change>) -> Answer<Vec<Written>> {
        let mut state = self.state.lock();
        let mut tables = state.tables.clone();
        let written: Result<Vec<Written>, DbError> =
            changes.into_iter().map(|change| tables.apply(change)).collect();
        if let Ok(written) = &written {
            state.tables = tables;
            if let Some(note) = notes::event(&self.author, written, &self.model) {
                state.aside.add_event(note);
            }
        }
        answer(written)
    }

    fn truncate(&self, kind: &str) -> Answer<()> {
        answer(self.state.lock().tables.truncate(kind))
    }

    fn page_tags(&self, tag: Option<&str>, size: usize, offset: Option<&str>) -> Answer<TagPage> {
        self.read(|tables| tables.page_tags(tag, size, offset))
    }

    fn add_event(&self, event: ClusterEvent) -> Answer<()> {
        self.aside(|aside| aside.add_event(event))
    }

    fn events_since(&self, channels: &[&str], after: f64) -> Answer<(Vec<ClusterEvent>, f64)> {
        self.aside(|aside| aside.events_since(channels, after))
    }

    fn take_lock(&self, lock: Lock) -> Answer<bool> {
        self.aside(|aside| aside.take_lock(lock))
    }

    fn lock_owner(&self, key: &str) -> Answer<Option<String>> {
        self.aside(|aside| aside.lock_owner(key))
    }

    fn release_lock(&self, key: &str, owner: &str) -> Answer<()> {
        self.aside(|aside| aside.release_lock(key, owner))
    }

    fn count(&self, counted: Vec<(Counter, i64, f64)>) -> Answer<()> {
        self.aside(|aside| aside.count(counted))
    }

    fn counted(&self, counter: &Counter) -> Answer<Option<i64>> {
        self.aside(|aside| aside.counted(counter))
    }

    fn sweep(&self) -> Answer<u64> {
        let mut state = self.state.lock();
        let rows = state.tables.sweep();
        answer(Ok(rows + state.aside.sweep()))
    }
}
