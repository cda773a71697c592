//! An endpoint that answers as the ECS agent does, and goes wrong when told to, to try epitaph against by
//! hand.
//!
//! `cargo run --example ecs_endpoint`, then paste what it prints into another terminal.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

#[path = "../tests/support/endpoint/mod.rs"]
mod endpoint;

use endpoint::{Container, Endpoint, Fault, Figures, Rule, Task, Usage};

const HELP: &str = "\
Usage: cargo run --example ecs_endpoint -- [OPTIONS]

  --listen ADDR:PORT  where to listen; by default a free port of 127.0.0.1
  --docker-id ID      the ID of the container that asks
  --platform NAME     ec2 (awsvpc, the default), bridge, mesh (bridge with Service Connect) or fargate
  --fault NAME        go wrong; NAME=VALUE sets the parameter in brackets
  --on PATH           the fault is only for requests whose path ends so, such as /task
  --first N           the fault is only for the first N of them

Faults:";

fn main() -> Result<(), Box<dyn Error>> {
    let Some(endpoint) = from_arguments()? else {
        println!("{HELP}");
        for (name, parameter, what) in Fault::NAMES {
            let parameter = if parameter.is_empty() { String::new() } else { format!(" [{parameter}]") };
            println!("  {name:<17}  {what}{parameter}");
        }
        return Ok(());
    };
    println!("Paste into another terminal (and end this one with ctrl-C):\n");
    println!("export ECS_CONTAINER_METADATA_URI_V4={}", endpoint.uri_v4());
    println!("cargo run -- -s -- env");
    println!("cargo run -- --task-stats 0\n");
    println!(
        "In a container that shares this network and has its ID in /proc/self/cgroup (say it with --docker-id),"
    );
    println!("the introspection API can be tried instead:\n");
    println!("export EPITAPH_INTROSPECTION={}\n", endpoint.introspection_url());
    let mut seen = 0;
    loop {
        endpoint.wait_for_requests(seen + 1, Duration::from_secs(3600));
        for exchange in endpoint.exchanges().iter().skip(seen) {
            println!("{} -> {}", exchange.request, exchange.answer);
            seen += 1;
        }
        // As a real agent, it learns that the container runs only after the container has asked.
        let is_created = endpoint.task().subject().is_some_and(|one| one.started_at.is_none());
        if is_created && endpoint.requests().iter().any(|request| request.ends_with("/task")) {
            endpoint.start_subject();
        }
    }
}

/// The endpoint that the command line asks for; `None` when it asks for help.
fn from_arguments() -> Result<Option<Endpoint>, Box<dyn Error>> {
    let (mut listener, mut docker_id, mut fault, mut path_end, mut first) = (None, None, None, None, None);
    let mut task = Task::default();
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("listen") => listener = Some(TcpListener::bind(arguments.value()?.string()?)?),
            Arg::Long("docker-id") => docker_id = Some(arguments.value()?.string()?),
            Arg::Long("platform") => task = arguments.value()?.parse_with(platform)?,
            Arg::Long("fault") => fault = Some(arguments.value()?.parse::<Fault>()?),
            Arg::Long("on") => path_end = Some(arguments.value()?.string()?),
            Arg::Long("first") => first = Some(arguments.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    // The limit that the kernel acts on is that of this machine, not one that a task tells.
    let task = with_statistics(Task { memory_limit: None, ..task.just_created() });
    let endpoint = match listener {
        Some(listener) => Endpoint::serve(listener, task),
        None => Endpoint::start(task),
    };
    if let Some(id) = docker_id {
        endpoint.set_docker_id(&id);
    }
    let Some(fault) = fault else { return Ok(Some(endpoint)) };
    let mut rule = Rule::from(fault);
    if let Some(path_end) = path_end {
        rule = rule.on(&path_end);
    }
    if let Some(count) = first {
        rule = rule.first(count);
    }
    endpoint.set_rules([rule]);
    Ok(Some(endpoint))
}

/// With a sidecar, and statistics that move: the server leaks a little.
fn with_statistics(mut task: Task) -> Task {
    let cgroup = if task.launch_type == "FARGATE" { 1 } else { 2 };
    let interval = Duration::from_secs(if cgroup == 1 { 10 } else { 1 });
    // Its containers were started a second ago.
    let since = std::time::SystemTime::now() - Duration::from_secs(1);
    let usage = Usage { since, cgroup, interval, ..Usage::default() };
    let sidecar = task.subject().map(|server| Container {
        endpoint_id: format!("sidecar-of-{}", server.endpoint_id),
        docker_id: server.docker_id.chars().rev().collect(),
        name: "sidecar".into(),
        memory_limit: Some(64),
        ..server.clone()
    });
    // On Fargate an ID is not one any more when it is turned round.
    task.containers.extend(sidecar.filter(|_| cgroup == 2));
    for container in &mut task.containers {
        container.scripted.figures = match container.name.as_str() {
            endpoint::PAUSE => Figures::Missing,
            "sidecar" => Figures::Moving(Usage { cpu_milli: 15, memory: 6 << 20, ..usage.clone() }),
            _ => Figures::Moving(Usage { cpu_milli: 110, leak: 64 << 10, ..usage.clone() }),
        };
    }
    if let Some(server) = task.subject_mut() {
        server.scripted.health = Some(("HEALTHY".into(), "ok".into()));
    }
    task
}

fn platform(name: &str) -> Result<Task, String> {
    match name {
        "ec2" => Ok(Task::default()),
        "bridge" => Ok(Task::ec2_bridge()),
        "mesh" => Ok(Task::ec2_bridge_with_service_connect()),
        "fargate" => Ok(Task::fargate()),
        _ => Err(format!("{name:?} is none of ec2, bridge, mesh, fargate")),
    }
}
