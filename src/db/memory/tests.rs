//! The model does what it asks of others.

use std::sync::Arc;

use super::Memory;
use crate::db::Store;
use crate::db::contract::{self, store_contract};

fn with(test: impl AsyncFnOnce(Arc<dyn Store>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Memory::new(contract::model());
        contract::prepare(&store).await;
        test(Arc::new(store)).await;
    });
}

store_contract!(with);
