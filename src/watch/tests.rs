//! Every way in which a file changes is told: by notification, and by the poll alone.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Longer than any machine takes; a test that works never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    folder: tempfile::TempDir,
    told: watch::Receiver<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    fn watch(prepare: impl FnOnce(&Path), watched: &str, poll: Duration) -> Self {
        let folder = tempfile::tempdir().expect("makes a directory");
        prepare(folder.path());
        let times =
            WatchTimes { quiet: Duration::from_millis(5), at_most: Duration::from_millis(50), poll, poll_alone: poll };
        let metrics = Arc::new(Metrics::new(1).expect("registers"));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let watch = Watch { paths: vec![folder.path().join(watched)], times, metrics };
        let told = start(watch, &tasks, stop.clone());
        Self { folder, told, tasks, stop }
    }

    async fn told(&mut self, what: &str) {
        let told = tokio::time::timeout(PATIENCE, self.told.changed()).await;
        assert!(told.is_ok_and(|told| told.is_ok()), "{what} was not told");
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Never within a test: what is told is told by notification.
const NO_POLL: Duration = Duration::from_secs(3600);

fn directory(folder: &Path) {
    fs::create_dir(folder.join("t")).expect("makes");
    fs::write(folder.join("t/a.yaml"), "1").expect("writes");
}

#[tokio::test]
async fn files_written_renamed_added_and_removed_are_told() {
    let mut world = World::watch(directory, "t", NO_POLL);
    let path = world.folder.path().join("t");
    fs::write(path.join("a.yaml"), "2").expect("writes");
    world.told("a write in place").await;
    fs::write(path.join(".tmp"), "3").expect("writes");
    fs::rename(path.join(".tmp"), path.join("a.yaml")).expect("renames");
    world.told("a rename over the file").await;
    fs::write(path.join("b.yaml"), "1").expect("writes");
    world.told("a new file").await;
    fs::remove_file(path.join("b.yaml")).expect("removes");
    world.told("a removed file").await;
    world.end().await;
}

#[tokio::test]
async fn a_config_map_swap_is_told_each_time() {
    let prepare = |folder: &Path| {
        fs::create_dir_all(folder.join("t/..1")).expect("makes");
        fs::write(folder.join("t/..1/a.yaml"), "1").expect("writes");
        symlink("..1", folder.join("t/..data")).expect("links");
        symlink("..data/a.yaml", folder.join("t/a.yaml")).expect("links");
    };
    let mut world = World::watch(prepare, "t", NO_POLL);
    let path = world.folder.path().join("t");
    for version in ["..2", "..3"] {
        fs::create_dir(path.join(version)).expect("makes");
        fs::write(path.join(version).join("a.yaml"), version).expect("writes");
        world.told("the new folder").await;
        symlink(version, path.join("..data_tmp")).expect("links");
        fs::rename(path.join("..data_tmp"), path.join("..data")).expect("renames");
        world.told("the swap").await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_swapped_link_of_the_directory_itself_is_told_and_the_new_one_is_watched() {
    let prepare = |folder: &Path| {
        for version in ["v1", "v2"] {
            fs::create_dir(folder.join(version)).expect("makes");
            fs::write(folder.join(version).join("a.yaml"), version).expect("writes");
        }
        symlink("v1", folder.join("t")).expect("links");
    };
    let mut world = World::watch(prepare, "t", NO_POLL);
    let folder = world.folder.path().to_owned();
    symlink("v2", folder.join("t_tmp")).expect("links");
    fs::rename(folder.join("t_tmp"), folder.join("t")).expect("renames");
    world.told("the swap").await;
    fs::write(folder.join("v2/a.yaml"), "changed").expect("writes");
    world.told("a change in the new directory").await;
    world.end().await;
}

#[tokio::test]
async fn a_directory_that_goes_and_comes_back_is_told() {
    let mut world = World::watch(directory, "t", NO_POLL);
    let path = world.folder.path().join("t");
    fs::remove_dir_all(&path).expect("removes");
    world.told("that it is gone").await;
    fs::create_dir(&path).expect("makes");
    world.told("that it is back").await;
    fs::write(path.join("b.yaml"), "1").expect("writes");
    world.told("a file in it").await;
    world.end().await;
}

#[tokio::test]
async fn the_poll_sees_what_no_event_told() {
    let mut world = World::watch(directory, "t", Duration::from_millis(5));
    let path = world.folder.path().join("t/a.yaml");
    fs::write(&path, "longer than before").expect("writes");
    world.told("a change").await;
    world.end().await;
}

#[tokio::test]
async fn what_happens_beside_the_directory_is_not_told() {
    let mut world = World::watch(directory, "t", NO_POLL);
    let folder = world.folder.path().to_owned();
    fs::write(folder.join("neighbour"), "1").expect("writes");
    fs::write(folder.join("t/a.yaml"), "2").expect("writes");
    world.told("the change within").await;
    assert_eq!(*world.told.borrow(), 1, "one change, one look");
    world.end().await;
}
