//! A timeline as a picture: one page of HTML, or one SVG. Both are whole in themselves: no script, nothing
//! from elsewhere. All that comes from a log goes through [`markup::Markup::text`].

mod bins;
mod canvas;
mod colors;
mod heading;
mod lives;
mod markup;
mod page;
mod plain_table;
mod scene;
mod svg;

pub use page::page;
pub use scene::Incident;
pub use svg::svg;
