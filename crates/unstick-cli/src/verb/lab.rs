//! `lab`: plays scenes on real sockets, and draws them for people or writes them as JSON.
//!
//! Not here: what happens in a scene, and what is measured (`scenes`).

mod draw;
mod json;
mod page;
mod tables;
mod timeline;
mod words;

use crate::scenes::Scene;
use strsim::osa_distance;
use unstick::{Error, Result};

use crate::args::Lab;
use crate::canvas::Canvas;
use crate::output;
use crate::status::Status;
use crate::timeline::Timeline;

/// Plays the requested scenes, or all, and shows each as soon as it is over.
pub async fn lab(args: Lab) -> Result<Status> {
    let scenes = args.scenes.iter().map(|name| scene(name)).collect::<Result<Vec<_>>>()?;
    let all = scenes.is_empty();
    let scenes = if all { Scene::ALL.to_vec() } else { scenes };
    let mut first = true;
    let (mut page, mut opened) = (args.html.as_ref().map(|_| Timeline::new("unstick lab")), 0);
    for scene in scenes {
        let played = tokio::task::spawn_blocking(move || scene.play()).await;
        let acts = played.map_err(|error| Error::other(format!("the scene {}: {error}", scene.name())))??;
        if let Some(page) = &mut page {
            page::add(page, scene, &acts, &mut opened);
            continue;
        }
        let text = if args.json {
            json::lines(scene, &acts, first)
        } else {
            let mut canvas = Canvas::of_standard_output();
            if first && all {
                draw::list(&mut canvas);
            }
            draw::scene(&mut canvas, scene, &acts);
            canvas.into_text()
        };
        if let Err(error) = output::put(&text) {
            return Ok(output::unprinted(&error));
        }
        first = false;
    }
    if let (Some(page), Some(to)) = (page, &args.html) {
        return page.write(to).map(|()| Status::Done);
    }
    let mut canvas = Canvas::of_standard_output();
    if all && !args.json {
        draw::foot(&mut canvas);
    }
    Ok(output::print(&canvas.into_text()))
}

/// Returns the scene with that name.
fn scene(name: &str) -> Result<Scene> {
    let known = Scene::ALL.into_iter().find(|scene| scene.name() == name);
    known.ok_or_else(|| {
        let near = nearest(name);
        let list = near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        let hint = match near.is_empty() {
            true => "`unstick lab` plays them all, and lists their names".to_owned(),
            false => format!("did you mean {list}?"),
        };
        Error::usage(format!("there is no scene `{name}`")).with_hint(hint)
    })
}

/// The most letters of a name that may be wrong ...
const SLIPS: usize = 2;

/// ... and the letters that a name needs for each wrong one: with two wrong letters, a short name could be any other.
const LETTERS_A_SLIP: usize = 3;

/// Returns the scenes whose name is nearly this one, contains it, or is contained in it; if there are none, those with the
/// word in their title.
fn nearest(typed: &str) -> Vec<&'static str> {
    let typed = typed.to_lowercase();
    let names = |near: &dyn Fn(Scene) -> bool| -> Vec<&'static str> {
        Scene::ALL.into_iter().filter(|scene| near(*scene)).map(Scene::name).collect()
    };
    let alike = names(&|scene| {
        let name = scene.name();
        osa_distance(&typed, name) <= SLIPS.min(typed.chars().count() / LETTERS_A_SLIP)
            || (typed.len() > SLIPS && (name.contains(&typed) || typed.contains(name)))
    });
    if !alike.is_empty() || typed.is_empty() {
        return alike;
    }
    names(&|scene| {
        let title = words::of(scene).title.to_lowercase();
        title.split(|c: char| !c.is_alphanumeric()).any(|word| word == typed)
    })
}
