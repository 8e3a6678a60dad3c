//! The tests.
#![allow(unsafe_code)] // what is done between fork and exec

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use kong::runtime::Watch;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clients::{Client, Load, ask};
use crate::node::{Node, eventually, free_ports, lives};

macro_rules! tests {
    ($($name:ident)*) => { &[$((stringify!($name), $name)),*] };
}

/// All of them, by name.
pub static ALL: &[(&str, fn())] = tests! {
    a_started_gateway_answers_and_term_ends_it_without_a_trace
    a_gateway_that_cannot_start_says_why_and_leaves_nothing_behind
    twenty_reloads_under_load_lose_no_connection
    two_reloads_at_once_are_both_answered
    a_dictionary_of_another_size_is_a_new_one
    a_replaced_executable_is_picked_up_by_a_reload
    a_failing_reload_says_why_and_changes_nothing
    a_connection_from_before_a_reload_lives_on_until_it_ends_or_the_timeout_passes
    a_killed_worker_process_is_replaced_and_counters_go_on
    a_worker_process_that_keeps_crashing_is_backed_off_from
    quit_finishes_what_is_open_and_refuses_what_is_new
    hup_reads_the_configuration_file_again
    winch_drains_and_a_reload_serves_again
    usr1_opens_the_logs_anew_and_usr2_is_ignored
    a_changed_file_is_reloaded_and_a_wrong_one_is_refused
    a_changed_declarative_file_reaches_the_control_thread_without_a_reload
    a_vanished_listener_serves_what_waits_and_then_refuses
    socket_files_are_served_over_reloads_and_removed_at_the_end
    a_worker_process_finishes_when_its_master_is_killed
    workers_run_as_the_configured_user_and_logs_belong_to_it
    as_the_reaper_of_a_container_the_master_leaves_no_zombie
    two_hundred_reloads_leave_memory_and_descriptors_as_they_were
    in_the_foreground_the_exit_code_is_right_and_a_changed_window_means_nothing
};

fn a_started_gateway_answers_and_term_ends_it_without_a_trace() {
    let node = Node::new(1);
    node.start().unwrap();
    let answer = node.answer();
    assert_eq!(answer.name, "first");
    assert!(ask(node.configuration.control_port).is_ok());
    assert_ne!(node.master().cast_unsigned(), answer.process);
    let title = std::fs::read_to_string(format!("/proc/{}/cmdline", node.master())).unwrap();
    assert!(title.starts_with("kong: master process"), "{title}");
    node.signal(Signal::SIGTERM);
    eventually("the end", || !node.is_running() && !lives(answer.process));
    assert!(!node.path("pids/nginx.pid").exists() && !node.path("pids/master.sock").exists());
    assert!(ask(node.port()).is_err());
}

fn a_gateway_that_cannot_start_says_why_and_leaves_nothing_behind() {
    let mut node = Node::new(1);
    for (fails, reason) in [
        ("load", "this configuration is wrong"),
        ("worker", "worker 1 cannot start"),
        ("panic", "panicked: a worker panics"),
    ] {
        node.configuration.fails = Some(fails.to_owned());
        assert_eq!(node.start().unwrap_err().to_string(), reason);
        eventually("the end", || !node.is_running());
    }
    node.configuration.fails = None;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    node.configuration.ports.push(taken.local_addr().unwrap().port());
    let error = node.start().unwrap_err().to_string();
    assert_eq!(
        error,
        format!("bind() to {} failed (98: Address already in use)", taken.local_addr().unwrap())
    );
    assert!(ask(node.port()).is_err());
}

fn twenty_reloads_under_load_lose_no_connection() {
    let mut node = Node::new(1);
    node.start().unwrap();
    let load = Load::start(node.port(), 4, 4);
    let extra = free_ports(1)[0];
    for round in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        node.configuration.name = format!("round {round}");
        node.configuration.workers = [2, 4, 1, 3][round % 4];
        node.configuration.reuseport = round % 7 != 6;
        node.configuration.ports.truncate(1);
        if round % 2 == 0 {
            node.configuration.ports.push(extra);
        }
        node.reload().unwrap();
        assert_eq!(node.answer().name, node.configuration.name);
        if round % 2 == 0 {
            assert_eq!(ask(extra).unwrap().name, node.configuration.name);
        }
    }
    let (answered, errors) = load.end();
    assert!(errors.is_empty(), "{} of {answered}: {:?}", errors.len(), errors.first());
    assert!(answered > 500, "{answered}");
    let count = node.answer().count;
    assert_eq!(count, i64::try_from(answered).unwrap() + 20 + 10 + 1, "the shared count lost some");
    eventually("only one worker process", || children(node.master()) == 1);
}

fn two_reloads_at_once_are_both_answered() {
    let mut node = Node::new(1);
    node.start().unwrap();
    node.configuration.name = "second".to_owned();
    let answers = std::thread::scope(|scope| {
        let reloads =
            [scope.spawn(|| node.reload()), scope.spawn(|| node.reload()), scope.spawn(|| node.reload())];
        reloads.map(|reload| reload.join().unwrap())
    });
    assert_eq!(answers, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(node.answer().name, "second");
}

fn a_dictionary_of_another_size_is_a_new_one() {
    let mut node = Node::new(1);
    node.start().unwrap();
    assert_eq!((node.answer().count, node.answer().count), (1, 2));
    node.reload().unwrap();
    assert_eq!(node.answer().count, 3);
    node.configuration.counts_kib *= 2;
    node.reload().unwrap();
    assert_eq!(node.answer().count, 1);
}

fn a_replaced_executable_is_picked_up_by_a_reload() {
    let node = Node::new(1);
    let (executable, next) = (node.path("gateway"), node.path("gateway.next"));
    std::fs::copy(std::env::current_exe().unwrap(), &executable).unwrap();
    std::fs::copy(&executable, &next).unwrap();
    let mut master = node.foreground(&executable).spawn().unwrap();
    eventually("an answer", || ask(node.port()).is_ok());
    let old = node.answer().process;
    std::fs::rename(&next, &executable).unwrap();
    let runs = |process: u32| std::fs::read_link(format!("/proc/{process}/exe")).unwrap();
    assert!(runs(old).to_string_lossy().ends_with("(deleted)"));
    node.reload().unwrap();
    assert_eq!(runs(node.answer().process), executable);
    node.signal(Signal::SIGTERM);
    assert!(master.wait().unwrap().success());
}

fn a_failing_reload_says_why_and_changes_nothing() {
    let mut node = Node::new(1);
    node.start().unwrap();
    let before = node.answer();
    let good = node.configuration.clone();
    for (fails, reason) in [
        ("load", "this configuration is wrong"),
        ("worker", "worker 1 cannot start"),
        ("panic", "panicked: a worker panics"),
    ] {
        node.configuration.fails = Some(fails.to_owned());
        node.configuration.workers = 3;
        assert_eq!(node.reload().unwrap_err(), reason);
        assert_eq!(node.answer().process, before.process);
    }
    node.configuration = good;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    node.configuration.ports.push(taken.local_addr().unwrap().port());
    assert!(node.reload().unwrap_err().ends_with("failed (98: Address already in use)"));
    assert_eq!(node.answer().process, before.process);
    assert!(node.log().contains("the running configuration stays: this configuration is wrong"));
    // after a crash it is the good configuration that comes back
    kill(Pid::from_raw(before.process.cast_signed()), Signal::SIGKILL).unwrap();
    eventually("the good configuration", || ask(node.port()).is_ok_and(|answer| answer.name == "first"));
    assert!(!node.path(".kong_env.next").exists());
}

fn a_connection_from_before_a_reload_lives_on_until_it_ends_or_the_timeout_passes() {
    let mut node = Node::new(1);
    node.configuration.drain_timeout_ms = Some(1500);
    node.start().unwrap();
    let (mut long, mut polite) =
        (Client::connect(node.port()).unwrap(), Client::connect(node.port()).unwrap());
    let old = long.ask("stay").unwrap().process;
    polite.ask("hello").unwrap();
    node.configuration.name = "second".to_owned();
    node.reload().unwrap();
    assert_eq!(node.answer().name, "second");
    assert_eq!(long.ask("stay").unwrap().process, old);
    let last = polite.ask("hello").unwrap();
    assert!(last.last && last.process == old);
    eventually("the shutdown timeout", || long.ask("stay").is_err());
    eventually("the old process's end", || !lives(old));
}

fn a_killed_worker_process_is_replaced_and_counters_go_on() {
    let node = Node::new(1);
    node.start().unwrap();
    let mut count = node.answer().count;
    for _ in 0..5 {
        let victim = node.answer().process;
        kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL).unwrap();
        let mut answer = None;
        eventually("an answer of another process", || {
            answer = ask(node.port()).ok().filter(|answer| answer.process != victim);
            answer.is_some()
        });
        let now = answer.unwrap().count;
        assert!(now > count, "{now} after {count}");
        count = now;
    }
    assert!(node.log().contains("exited on signal 9"));
}

fn a_worker_process_that_keeps_crashing_is_backed_off_from() {
    let node = Node::new(1);
    node.start().unwrap();
    let crash = || Client::connect(node.port()).and_then(|mut client| client.ask("crash"));
    let starts = || node.log().matches("start worker process").count();
    eventually("a pause between starts", || {
        let _ = crash();
        node.log().contains("the next one starts in 100 ms")
    });
    let (before, started) = (starts(), Instant::now());
    assert!(before > 10, "{before} starts at once");
    while started.elapsed() < Duration::from_secs(1) {
        let _ = crash();
    }
    let more = starts() - before;
    let pauses = started.elapsed().as_millis() as usize / 100;
    assert!(more <= pauses + 1, "{more} starts where there were {pauses} pauses");
    eventually("service again", || ask(node.port()).is_ok());
}

fn quit_finishes_what_is_open_and_refuses_what_is_new() {
    let node = Node::new(1);
    node.start().unwrap();
    let mut client = Client::connect(node.port()).unwrap();
    client.ask("stay").unwrap();
    node.signal(Signal::SIGQUIT);
    eventually("closed listeners", || ask(node.port()).is_err());
    assert!(node.is_running());
    assert!(!client.ask("stay").unwrap().last);
    assert!(client.ask("hello").unwrap().last);
    eventually("the end", || !node.is_running());
}

fn hup_reads_the_configuration_file_again() {
    let mut node = Node::new(1);
    node.start().unwrap();
    node.configuration.name = "from the file".to_owned();
    node.write("kong.json");
    node.signal(Signal::SIGHUP);
    eventually("the new configuration", || node.answer().name == "from the file");
    eventually("the running configuration's file", || {
        std::fs::read_to_string(node.path(".kong_env")).unwrap().contains("from the file")
    });
}

fn winch_drains_and_a_reload_serves_again() {
    let node = Node::new(1);
    node.start().unwrap();
    let old = node.answer().process;
    node.signal(Signal::SIGWINCH);
    eventually("the old process's end", || !lives(old));
    assert!(node.is_running());
    // the backlog is the master's: a client that comes now is served by the next process
    let waiting = std::thread::spawn({
        let port = node.port();
        move || ask(port)
    });
    std::thread::sleep(Duration::from_millis(100));
    node.signal(Signal::SIGHUP);
    assert_ne!(waiting.join().unwrap().unwrap().process, old);
}

fn usr1_opens_the_logs_anew_and_usr2_is_ignored() {
    let node = Node::new(1);
    node.start().unwrap();
    let process = node.answer().process;
    std::fs::rename(node.path("logs/error.log"), node.path("logs/error.log.1")).unwrap();
    node.signal(Signal::SIGUSR1);
    eventually("a new log", || node.path("logs/error.log").exists());
    node.signal(Signal::SIGUSR2);
    eventually("the line about USR2", || node.log().contains("(SIGUSR2) received from"));
    assert_eq!(node.answer().process, process);
}

fn a_changed_file_is_reloaded_and_a_wrong_one_is_refused() {
    let mut node = Node::new(1);
    node.configuration.watch = Some(Watch { reload: vec![node.path("kong.json")], declarative: None });
    node.start().unwrap();
    let before = node.answer().process;
    node.configuration.fails = Some("load".to_owned());
    node.write("kong.json");
    eventually("the refusal", || node.log().contains("stays: this configuration is wrong"));
    assert_eq!(node.answer().process, before);
    node.configuration.fails = None;
    node.configuration.name = "corrected".to_owned();
    node.write("kong.json.new");
    std::fs::rename(node.path("kong.json.new"), node.path("kong.json")).unwrap();
    eventually("the corrected configuration", || node.answer().name == "corrected");
}

fn a_changed_declarative_file_reaches_the_control_thread_without_a_reload() {
    let mut node = Node::new(1);
    let file = node.path("kong.yml");
    std::fs::write(&file, "one").unwrap();
    node.configuration.watch = Some(Watch { reload: Vec::new(), declarative: Some(file.clone()) });
    node.start().unwrap();
    let before = node.answer();
    assert_eq!(before.declarative_changes, 0);
    std::fs::write(&file, "two").unwrap();
    eventually("the change", || node.answer().declarative_changes == 1);
    assert_eq!(node.answer().process, before.process);
}

fn a_vanished_listener_serves_what_waits_and_then_refuses() {
    let mut node = Node::new(2);
    node.start().unwrap();
    let gone = node.configuration.ports.pop().unwrap();
    let mut open = Client::connect(gone).unwrap();
    open.ask("hello").unwrap();
    node.reload().unwrap();
    eventually("a closed listener", || ask(gone).is_err());
    assert!(open.ask("hello").unwrap().last);
    assert!(ask(node.port()).is_ok());
}

fn socket_files_are_served_over_reloads_and_removed_at_the_end() {
    let mut node = Node::new(1);
    let path = node.path("kong.sock");
    node.configuration.socket = Some(path.clone());
    node.start().unwrap();
    let ask = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"hello\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask().contains("first"));
    node.configuration.name = "second".to_owned();
    node.reload().unwrap();
    assert!(ask().contains("second"));
    node.signal(Signal::SIGTERM);
    eventually("the end", || !node.is_running());
    assert!(!path.exists());
}

fn a_worker_process_finishes_when_its_master_is_killed() {
    let node = Node::new(1);
    node.start().unwrap();
    let process = node.answer().process;
    kill(Pid::from_raw(node.master()), Signal::SIGKILL).unwrap();
    eventually("the worker process's end", || !lives(process));
    node.start().unwrap();
    assert_ne!(node.answer().process, process);
}

fn workers_run_as_the_configured_user_and_logs_belong_to_it() {
    if !nix::unistd::Uid::effective().is_root() {
        return println!("(not root: skipped)");
    }
    let mut node = Node::new(1);
    node.configuration.user = Some("nobody nogroup".to_owned());
    node.start().unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid;
    assert_eq!(node.answer().uid, nobody.as_raw());
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(node.path("logs/error.log")).unwrap());
    assert_eq!(owner, nobody.as_raw());
    node.configuration.user = Some("nobody-of-that-name".to_owned());
    assert_eq!(node.reload().unwrap_err(), "getpwnam(\"nobody-of-that-name\") failed");
    assert_eq!(node.answer().uid, nobody.as_raw());
}

fn in_the_foreground_the_exit_code_is_right_and_a_changed_window_means_nothing() {
    let mut node = Node::new(1);
    for (fails, code) in [(None, 0), (Some("load"), 1)] {
        node.configuration.fails = fails.map(str::to_owned);
        let mut master = node
            .foreground(&std::env::current_exe().unwrap())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        if fails.is_none() {
            eventually("an answer", || ask(node.port()).is_ok());
            assert_eq!(node.master().cast_unsigned(), master.id());
            let process = node.answer().process;
            node.signal(Signal::SIGWINCH);
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(node.answer().process, process, "a window that changed ended the service");
            node.signal(Signal::SIGTERM);
        }
        assert_eq!(master.wait().unwrap().code(), Some(code));
        let mut printed = String::new();
        master.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
        assert_eq!(printed.contains("Error: this configuration is wrong"), fails.is_some(), "{printed}");
    }
}

fn as_the_reaper_of_a_container_the_master_leaves_no_zombie() {
    let node = Node::new(1);
    let mut command = node.foreground(&std::env::current_exe().unwrap());
    // SAFETY: prctl is async-signal-safe; orphans below the process now go to it, as to process 1.
    unsafe { command.pre_exec(|| Ok(nix::sys::prctl::set_child_subreaper(true)?)) };
    let mut master = command.spawn().unwrap();
    eventually("an answer", || ask(node.port()).is_ok());
    Client::connect(node.port()).unwrap().ask("orphan").unwrap();
    assert_eq!(children(node.master()), 2, "the orphan came to another process");
    eventually("its end, collected", || children(node.master()) == 1);
    node.signal(Signal::SIGTERM);
    assert!(master.wait().unwrap().success());
}

fn two_hundred_reloads_leave_memory_and_descriptors_as_they_were() {
    let node = Node::new(2);
    node.start().unwrap();
    let measure = || {
        eventually("only one worker process", || children(node.master()) == 1);
        let process = node.answer().process;
        let master = node.master().cast_unsigned();
        let count = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        [(resident(master), count(master)), (resident(process), count(process))]
    };
    (0..5).for_each(|_| node.reload().unwrap());
    let before = measure();
    (0..195).for_each(|_| node.reload().unwrap());
    let after = measure();
    for ((memory, descriptors), (memory_after, descriptors_after)) in before.into_iter().zip(after) {
        assert!(memory_after <= memory + memory / 10, "{memory} KiB before, {memory_after} KiB after");
        assert!(
            descriptors_after.abs_diff(descriptors) <= 3,
            "{descriptors} before, {descriptors_after} after"
        );
    }
}

/// KiB of memory that a process has in use.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn children(master: i32) -> usize {
    let list = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
    list.split_whitespace().count()
}
