//! Hearing of what other nodes write.

use std::sync::Weak;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::Settings;
use super::store::Inner;

/// What wakes the nodes that share a database; the payload is the author of what there is to read.
pub(super) const CHANNEL: &str = "kong_writes";
/// How long it is waited after the connection was lost before the next attempt.
const RETRY: Duration = Duration::from_millis(500);

/// Tells whenever another node writes, and after each loss of the connection: something may have been missed.
///
/// Ends with the store.
pub(super) async fn listen(settings: Settings, author: String, store: Weak<Inner>) {
    loop {
        // What goes wrong here goes wrong for everybody, who tell it: this only tries again.
        let _ = hear(&settings, &author, &store).await;
        if store.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn hear(settings: &Settings, author: &str, store: &Weak<Inner>) -> Result<(), sqlx::Error> {
    // a pool of one, since a listener connects anew by itself only from a pool
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(settings.timeout)
        .connect_lazy_with(settings.connect_options()?);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    tell(store);
    // None is a connection that was lost.
    while let Some(notification) = listener.try_recv().await? {
        if store.strong_count() == 0 {
            break;
        }
        if notification.payload() != author {
            tell(store);
        }
    }
    Ok(())
}

fn tell(store: &Weak<Inner>) {
    if let Some(store) = store.upgrade() {
        store.notices.send_modify(|count| *count += 1);
    }
}
