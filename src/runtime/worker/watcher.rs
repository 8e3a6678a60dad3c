//! Watching files for changes.
//!
//! The system is asked to report changes in *folders*: an editor replaces a file by renaming another one over it,
//! and Kubernetes switches a `..data` link beside it, which a watch on the file itself does not survive. What is
//! reported is only a hint; whether a watched file changed is seen by comparing fingerprints (which file it is,
//! its size and time, links followed). So a folder that cannot be watched is simply looked at every second.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecursiveMode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::Watch;
use crate::observability::log;

/// A row of changes is over when nothing was reported for this long …
const QUIET: Duration = Duration::from_millis(100);
/// … but it is acted on after this long at the latest.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is looked where the system does not report.
const POLL: Duration = Duration::from_secs(1);

/// A change that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The declarative file.
    Declarative,
    /// Something that a reload picks up.
    Reload(PathBuf),
}

/// Reports changes from its start on.
pub(super) struct Watcher {
    watch: Watch,
    reports: mpsc::UnboundedReceiver<()>,
    /// Dropping it ends the system's reports.
    system: Option<notify::RecommendedWatcher>,
    seen: Seen,
}

/// Fingerprints at the last look.
#[derive(PartialEq)]
struct Seen {
    reload: Vec<u64>,
    declarative: u64,
}

impl Watcher {
    /// Begins to watch. What changed after `since` is reported, too: it may have been read before that.
    pub(super) fn start(watch: Watch, since: SystemTime) -> Watcher {
        let (sender, reports) = mpsc::unbounded_channel();
        let system = match report_changes(&watch, sender) {
            Ok(system) => Some(system),
            Err(error) => {
                log::warn!("changes of files are not reported here ({error}), looking every second");
                None
            }
        };
        let seen = Seen::now(&watch).without_changes(&watch, since);
        Watcher { watch, reports, system, seen }
    }

    /// The next change.
    ///
    /// *Cancel safety*: what was reported is looked at again by the next call only if something else is reported or
    /// time passes; the fingerprints differ until then, so no change is lost.
    pub(super) async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.look() {
                return Some(change);
            }
            match self.system {
                Some(_) => {
                    self.reports.recv().await?;
                    self.settle().await;
                }
                None => sleep(POLL).await,
            }
        }
    }

    /// Waits until a row of changes is over.
    async fn settle(&mut self) {
        let patience = Instant::now() + PATIENCE;
        while let Ok(Some(())) = timeout_at(patience.min(Instant::now() + QUIET), self.reports.recv()).await {
            if Instant::now() >= patience {
                return;
            }
        }
    }

    /// Compares with the last look. Both kinds may have changed: the second one is seen by the next look.
    fn look(&mut self) -> Option<Change> {
        let now = Seen::now(&self.watch);
        let differs = self.seen.reload.iter().zip(&now.reload).position(|(before, now)| before != now);
        if let Some(path) = differs.and_then(|at| self.watch.reload.get(at)) {
            self.seen.reload = now.reload;
            return Some(Change::Reload(path.clone()));
        }
        if self.seen.declarative != now.declarative {
            self.seen.declarative = now.declarative;
            return Some(Change::Declarative);
        }
        None
    }
}

impl Seen {
    fn now(watch: &Watch) -> Seen {
        let print = |path: &Path| {
            let mut hasher = DefaultHasher::new();
            fingerprint(path, &mut Visited::new(), &mut hasher);
            hasher.finish()
        };
        Seen {
            reload: watch.reload.iter().map(|path| print(path)).collect(),
            declarative: watch.declarative.as_deref().map_or(0, print),
        }
    }
}

impl Seen {
    /// Forgets the fingerprints of what changed after `since`.
    fn without_changes(mut self, watch: &Watch, since: SystemTime) -> Seen {
        // a time in the future is a wrong clock's, and would be seen as a change for ever
        let changed = |path: &PathBuf| {
            newest(path, &mut Visited::new()).is_some_and(|time| time > since && time <= SystemTime::now())
        };
        for (print, path) in self.reload.iter_mut().zip(&watch.reload) {
            *print ^= u64::from(changed(path));
        }
        self.declarative ^= u64::from(watch.declarative.as_ref().is_some_and(changed));
        self
    }
}

/// The folders that hold the enabled plugins' sources, wherever `lua_package_path` finds them.
pub fn plugin_folders(lua_package_path: &str, plugins: &[String]) -> Vec<PathBuf> {
    let templates = lua_package_path.split(';').filter_map(|template| template.split_once('?'));
    let roots: BTreeSet<&str> = templates.map(|(root, _)| root).filter(|root| !root.is_empty()).collect();
    let folders = roots.iter().flat_map(|root| {
        plugins.iter().map(move |plugin| Path::new(root).join("kong/plugins").join(plugin.replace('.', "/")))
    });
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Folders that were looked into already, by device and number: links may form rings.
type Visited = HashSet<(u64, u64)>;

/// Mixes in which file `path` leads to, and its size and times; of a folder, all that is in it.
fn fingerprint(path: &Path, visited: &mut Visited, hasher: &mut DefaultHasher) {
    let Ok(file) = fs::metadata(path) else { return 0.hash(hasher) };
    if !file.is_dir() {
        return (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()).hash(hasher);
    }
    if visited.insert((file.dev(), file.ino())) {
        for name in sources(path) {
            name.hash(hasher);
            fingerprint(&name, visited, hasher);
        }
    }
}

/// What is in a folder, by name, without what is only there for a while.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<PathBuf> = entries.filter(|name| !is_left_behind(name)).collect();
    names.sort();
    names
}

/// When a file, or the newest in a folder, was changed.
fn newest(path: &Path, visited: &mut Visited) -> Option<SystemTime> {
    let file = fs::metadata(path).ok()?;
    if !file.is_dir() {
        return file.modified().ok();
    }
    let unseen = visited.insert((file.dev(), file.ino()));
    let names = if unseen { sources(path) } else { Vec::new() };
    names.iter().filter_map(|name| newest(name, visited)).max()
}

/// Whether a name is one that editors use for their own files.
fn is_left_behind(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || name == "4913"
}

fn report_changes(
    watch: &Watch,
    sender: mpsc::UnboundedSender<()>,
) -> notify::Result<notify::RecommendedWatcher> {
    let mut system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let only_read = event.is_ok_and(|event| {
            let closed = notify::event::AccessKind::Close(notify::event::AccessMode::Write);
            matches!(event.kind, EventKind::Access(kind) if kind != closed)
        });
        if !only_read {
            let _ = sender.send(());
        }
    })?;
    for (folder, mode) in folders(watch) {
        notify::Watcher::watch(&mut system, &folder, mode)?;
    }
    Ok(system)
}

/// The folders to be watched: of a file the one it is in, and if it is a link, also the one it leads into.
fn folders(watch: &Watch) -> Vec<(PathBuf, RecursiveMode)> {
    let mut folders = Vec::new();
    for path in watch.reload.iter().chain(&watch.declarative) {
        if path.is_dir() {
            folders.push((path.clone(), RecursiveMode::Recursive));
            continue;
        }
        let resolved = fs::canonicalize(path).ok();
        for file in [Some(path), resolved.as_ref()].into_iter().flatten() {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            folders.push((folder.unwrap_or(Path::new(".")).to_owned(), RecursiveMode::NonRecursive));
        }
    }
    folders.sort_by(|(one, _), (other, _)| one.cmp(other));
    folders.dedup();
    folders.retain(|(folder, _)| folder.is_dir());
    folders
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn change(watcher: &mut Watcher) -> Option<Change> {
        tokio::time::timeout(Duration::from_secs(5), watcher.next()).await.ok().flatten()
    }

    async fn nothing(watcher: &mut Watcher) -> bool {
        tokio::time::timeout(Duration::from_millis(400), watcher.next()).await.is_err()
    }

    fn watch(reload: &[&Path], declarative: &Path) -> Watch {
        Watch {
            reload: reload.iter().map(|path| path.to_path_buf()).collect(),
            declarative: Some(declarative.to_owned()),
        }
    }

    #[tokio::test]
    async fn writing_renaming_and_switching_a_link_are_all_seen_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("kong.conf"), "a").unwrap();
        fs::create_dir(at("..1")).unwrap();
        fs::create_dir(at("..2")).unwrap();
        fs::write(at("..1/kong.yml"), "one").unwrap();
        fs::write(at("..2/kong.yml"), "two").unwrap();
        symlink("..1", at("..data")).unwrap();
        symlink("..data/kong.yml", at("kong.yml")).unwrap();
        let mut watcher = Watcher::start(watch(&[&at("kong.conf")], &at("kong.yml")), SystemTime::now());
        assert!(nothing(&mut watcher).await);

        fs::write(at("kong.conf"), "in place").unwrap();
        assert_eq!(change(&mut watcher).await, Some(Change::Reload(at("kong.conf"))));
        assert!(nothing(&mut watcher).await);

        fs::write(at("kong.conf.new"), "by rename").unwrap();
        fs::rename(at("kong.conf.new"), at("kong.conf")).unwrap();
        assert_eq!(change(&mut watcher).await, Some(Change::Reload(at("kong.conf"))));

        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(change(&mut watcher).await, Some(Change::Declarative));
        assert!(nothing(&mut watcher).await);
    }

    #[tokio::test]
    async fn plugin_sources_are_watched_in_depth_and_editor_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("kong/plugins/mine");
        fs::create_dir_all(plugin.join("inner")).unwrap();
        fs::write(plugin.join("handler.lua"), "return {}").unwrap();
        symlink("..", plugin.join("inner/ring")).unwrap();
        let path = format!("{}/?.lua;;./?.lua", folder.path().display());
        let folders = plugin_folders(&path, &["mine".to_owned(), "other".to_owned()]);
        assert_eq!(folders, [plugin.as_path()]);
        let mut watcher =
            Watcher::start(watch(&[&folders[0]], &folder.path().join("absent.yml")), SystemTime::now());
        fs::write(plugin.join(".handler.lua.swp"), "x").unwrap();
        assert!(nothing(&mut watcher).await);
        fs::write(plugin.join("inner/access.lua"), "return 1").unwrap();
        assert_eq!(change(&mut watcher).await, Some(Change::Reload(plugin)));
    }

    #[tokio::test]
    async fn without_the_systems_reports_changes_are_seen_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kong.yml");
        fs::write(&file, "one").unwrap();
        let mut watcher = Watcher::start(watch(&[], &file), SystemTime::now());
        watcher.system = None;
        fs::write(&file, "other").unwrap();
        assert_eq!(change(&mut watcher).await, Some(Change::Declarative));
    }

    #[tokio::test]
    async fn a_change_between_loading_and_watching_is_not_missed_and_a_future_time_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let (conf, declarative) = (folder.path().join("kong.conf"), folder.path().join("kong.yml"));
        let since = SystemTime::now() - Duration::from_secs(1);
        fs::write(&conf, "written while it was being loaded").unwrap();
        let file = fs::File::create(&declarative).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        let mut watcher = Watcher::start(watch(&[&conf], &declarative), since);
        assert_eq!(change(&mut watcher).await, Some(Change::Reload(conf)));
        assert!(nothing(&mut watcher).await);
    }
}
