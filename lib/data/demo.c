/*
 * demo - drawing.  Shapes are curves r = R(a) around a centre; cos(k a) comes from powers of a unit complex
 * number instead of an angle, and edges are softened by the distance to the curve divided by its slope.
 */
#include "data/demo.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/banned.h"

#define RING 12			/* places of the mark on one ring */
#define DEMO_VERSION "1"	/* of the drawings; to be raised when their bytes change */

struct colour {
	double r, g, b;
};

/* Everything drawn at random about one picture, in units of half its side. */
struct scene {
	double x, y, radius;		/* of the shape */
	double cos, sin;		/* its rotation */
	double lobe, point;		/* amplitudes of the k-th and the 2k-th harmonic */
	unsigned lobes;
	double mark_x, mark_y, mark;	/* the mark on the unrotated shape of radius 1, and its radius */
	double ramp_x, ramp_y;		/* direction of the background's gradient */
	double light_x, light_y;
	struct colour near, far, body, ink;
	int noise;			/* per pixel, standard deviation in 1/256 of a grey level */
};

/* hue, saturation, value, each 0..1. */
static struct colour
colour_from_hsv(double h, double s, double v)
{
	const double sector = h * 6, whole = floor(sector), rest = sector - whole;
	const double p = v * (1 - s), q = v * (1 - s * rest), t = v * (1 - s * (1 - rest));

	switch ((int)whole % 6) {
	case 0: return (struct colour){ v, t, p };
	case 1: return (struct colour){ q, v, p };
	case 2: return (struct colour){ p, v, t };
	case 3: return (struct colour){ p, q, v };
	case 4: return (struct colour){ t, p, v };
	default: return (struct colour){ v, p, q };
	}
}

static double
turn(double hue)
{
	return hue - floor(hue);
}

/* The form of a coarse class: 2 to 6 lobes, round, pointed or notched, then more lobes. */
static void
choose_shape(struct scene *scene, unsigned coarse)
{
	static const double lobe[] = { 0.26, 0.14 }, point[] = { 0.0, 0.16 };

	scene->lobes = 2 + coarse % 5 + 5 * (coarse / 10);
	scene->lobe = lobe[coarse / 5 % 2];
	scene->point = point[coarse / 5 % 2];
}

/* Where the mark of a fine class sits: on rings of at most RING places. */
static void
choose_mark(struct scene *scene, unsigned place, unsigned places)
{
	const unsigned rings = (places + RING - 1) / RING, ring = place % rings;
	const unsigned on_ring = (places - ring + rings - 1) / rings, at = place / rings;
	const double turns = (at + 0.5 * (ring % 2)) / on_ring;
	const double distance = 0.52 * (ring + 1) / rings;

	scene->mark_x = distance * cn_rng_cos2pi(turns);
	scene->mark_y = distance * cn_rng_sin2pi(turns);
	scene->mark = 0.19 / rings;
}

static void
choose_colours(struct scene *scene, struct cn_rng *rng)
{
	const double hue = cn_rng_unit(rng), other = turn(hue + 0.2 + 0.6 * cn_rng_unit(rng));
	const bool bright = cn_rng_below(rng, 2);	/* a light shape on a dark ground, or the reverse */
	const double body = bright ? 0.78 + 0.2 * cn_rng_unit(rng) : 0.30 + 0.18 * cn_rng_unit(rng);
	const double ground = bright ? 0.12 + 0.25 * cn_rng_unit(rng) : 0.68 + 0.28 * cn_rng_unit(rng);
	const double fade = 0.15 * cn_rng_unit(rng);

	/* one draw a statement: the order of arguments is the compiler's */
	const double shift = 0.08 * cn_rng_unit(rng);

	scene->body = colour_from_hsv(hue, 0.45 + 0.45 * cn_rng_unit(rng), body);
	scene->near = colour_from_hsv(other, 0.15 + 0.4 * cn_rng_unit(rng), ground);
	scene->far = colour_from_hsv(turn(other + shift), 0.15 + 0.4 * cn_rng_unit(rng),
		ground + (bright ? fade : -fade));
	scene->ink = colour_from_hsv(cn_rng_unit(rng), bright ? 0.6 : 0.15, bright ? 0.15 : 0.97);
}

/* The order of the draws is part of the drawings' version. */
static void
choose_scene(struct scene *scene, struct cn_rng *rng)
{
	const double rotation = 0.035 * (2 * (double)cn_rng_unit(rng) - 1);
	const double ramp = cn_rng_unit(rng), light = 0.5 + 0.25 * (double)cn_rng_unit(rng);

	scene->x = 0.2 * (2 * (double)cn_rng_unit(rng) - 1);
	scene->y = 0.2 * (2 * (double)cn_rng_unit(rng) - 1);
	scene->radius = 0.52 + 0.14 * (double)cn_rng_unit(rng);
	scene->cos = cn_rng_cos2pi(rotation);
	scene->sin = cn_rng_sin2pi(rotation);
	scene->ramp_x = cn_rng_cos2pi(ramp);
	scene->ramp_y = cn_rng_sin2pi(ramp);
	scene->light_x = cn_rng_cos2pi(light);
	scene->light_y = cn_rng_sin2pi(light);
	scene->noise = (int)(256 * (2 + 6 * (double)cn_rng_unit(rng)));
	choose_colours(scene, rng);
}

static double
clamp(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static struct colour
mix(struct colour a, struct colour b, double share)
{
	return (struct colour){ a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share,
		a.b + (b.b - a.b) * share };
}

/* (c + i s) = (x + i y)^k for |x + i y| = 1. */
static void
power(double x, double y, unsigned k, double *c, double *s)
{
	*c = 1;
	*s = 0;
	for (unsigned i = 0; i < k; i++) {
		const double next = *c * x - *s * y;
		*s = *c * y + *s * x;
		*c = next;
	}
}

/* How much of a pixel at (x, y) the shape covers; in units of its radius, as is pixel, the pixel's side. */
static double
cover(const struct scene *scene, double x, double y, double pixel, double *depth)
{
	const double r = sqrt(x * x + y * y), safe = r > 1e-6 ? r : 1e-6;
	double c, s;

	power(x / safe, y / safe, scene->lobes, &c, &s);
	const double edge = 1 + scene->lobe * c + scene->point * (2 * c * c - 1);
	const double slope = scene->lobes * (scene->lobe * s + 4 * scene->point * c * s) / (r > 0.5 ? r
		: 0.5);
	const double distance = (edge - r) / sqrt(1 + slope * slope);

	*depth = clamp(distance);
	return r > 1e-6 ? clamp(distance / pixel + 0.5) : 1;
}

static struct colour
shade(const struct scene *scene, double u, double v, double pixel)
{
	const double dx = (u - scene->x) / scene->radius, dy = (v - scene->y) / scene->radius;
	const double x = dx * scene->cos + dy * scene->sin, y = dy * scene->cos - dx * scene->sin;
	const double mx = x - scene->mark_x, my = y - scene->mark_y;
	const double unit = pixel / scene->radius;
	double depth;

	const double ramp = clamp(0.5 + 0.45 * (u * scene->ramp_x + v * scene->ramp_y));
	const double inside = cover(scene, x, y, unit, &depth);
	const double marked = clamp((scene->mark - sqrt(mx * mx + my * my)) / unit + 0.5);
	const double light = 0.94 + 0.09 * (dx * scene->light_x + dy * scene->light_y)
		- 0.22 * clamp(1 - depth / 0.12);
	const struct colour body = { scene->body.r * light, scene->body.g * light, scene->body.b * light };

	return mix(mix(scene->near, scene->far, ramp), mix(body, scene->ink, marked), inside);
}

/* A colour as a byte with noise: the sum of a word's four bytes is nearly normal (deviation 147.8). */
static uint8_t
expose(double value, int noise, struct cn_rng *rng)
{
	const uint32_t w = cn_rng_word(rng);
	const int sum = (int)(w & 255) + (int)(w >> 8 & 255) + (int)(w >> 16 & 255) + (int)(w >> 24) - 510;
	const int level = (int)(clamp(value) * 255 * 256 + 128) + sum * noise / 148;

	return level < 0 ? 0 : level > 255 * 256 ? 255 : (uint8_t)(level / 256);
}

static void
begin(struct cn_rng *rng, struct cn_rng_key *key, const struct cn_demo_config *config, const char *purpose,
	uint64_t row, uint32_t epoch)
{
	char name[32];

	snprintf(name, sizeof name, "demo %s %s", config->test ? "test" : "train", purpose);
	cn_rng_key_init(key, config->seed, name);
	cn_rng_start(rng, key, row, epoch);
}

/* Each run of "classes" rows is a permutation of them, so that any beginning of the set is balanced. */
static void
permute(const struct cn_demo_config *config, uint64_t run, uint32_t *order)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	begin(&rng, &key, config, "label", run, 0);
	for (uint32_t i = 0; i < config->classes; i++) {
		const uint32_t j = cn_rng_below(&rng, i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}

unsigned
cn_demo_label(const struct cn_demo_config *config, uint64_t row)
{
	uint32_t order[CN_DEMO_CLASSES];

	permute(config, row / config->classes, order);
	return order[row % config->classes];
}

static void
draw(const struct cn_demo_config *config, uint64_t row, uint32_t drawing, unsigned label, uint8_t *pixels)
{
	const unsigned places = config->classes / config->coarse;
	const double pixel = 2.0 / config->size;
	struct scene scene = { 0 };
	struct cn_rng_key key;
	struct cn_rng rng;

	choose_shape(&scene, label / places);
	choose_mark(&scene, label % places, places);
	begin(&rng, &key, config, "scene", row, drawing);
	choose_scene(&scene, &rng);
	begin(&rng, &key, config, "noise", row, drawing);
	for (unsigned i = 0; i < config->size; i++)
		for (unsigned j = 0; j < config->size; j++, pixels += 3) {
			const struct colour c = shade(&scene, (j + 0.5) * pixel - 1, (i + 0.5) * pixel - 1,
				pixel);
			pixels[0] = expose(c.r, scene.noise, &rng);
			pixels[1] = expose(c.g, scene.noise, &rng);
			pixels[2] = expose(c.b, scene.noise, &rng);
		}
}

void
cn_demo_draw(const struct cn_demo_config *config, uint64_t row, uint32_t drawing, uint8_t *pixels)
{
	draw(config, row, drawing, cn_demo_label(config, row), pixels);
}

struct work {
	const struct cn_demo_config *config;
	struct cn_batch *batch;
	int x, pos, label, group;
};

struct state {
	struct cn_demo_config config;
	struct cn_pool *pool;
};

static void
draw_row(void *context, size_t i, size_t worker)
{
	const struct work *work = context;
	const struct cn_demo_config *config = work->config;
	const uint64_t row = work->batch->first_row + i;
	const unsigned fine = cn_demo_label(config, row);
	const int32_t label = (int32_t)fine;
	const uint64_t group = fine / (config->classes / config->coarse);

	(void)worker;
	memcpy(cn_batch_at(work->batch, work->label, i), &label, sizeof label);
	memcpy(cn_batch_at(work->batch, work->group, i), &group, sizeof group);
	draw(config, row, 0, fine, cn_batch_at(work->batch, work->x, i));
	if (config->pairs)
		draw(config, row, 1, fine, cn_batch_at(work->batch, work->pos, i));
}

static int
read_rows(struct cn_import *import, struct cn_batch *batch, struct cn_err *err)
{
	const struct state *state = import->state;
	struct work work = {
		.config = &state->config, .batch = batch,
		.x = cn_schema_find(&batch->schema, "x"), .pos = cn_schema_find(&batch->schema, "pos"),
		.label = cn_schema_find(&batch->schema, "label"), .group = cn_schema_find(&batch->schema,
		"group"),
	};

	cn_pool_run(state->pool, batch->rows, draw_row, &work);
	return err->code ? -1 : 0;
}

static void
close_demo(struct cn_import *import)
{
	cn_mem_free(import->state);
}

static int
check(const struct cn_demo_config *config, struct cn_err *err)
{
	if (config->coarse < 1 || config->coarse > 64)
		return cn_err_set(err, CN_USAGE, "--coarse must lie in [1, 64]");
	if (config->classes < config->coarse || config->classes > CN_DEMO_CLASSES
	    || config->classes % config->coarse)
		return cn_err_set(err, CN_USAGE, "--classes must be a multiple of --coarse %u and at most %d",
			config->coarse, CN_DEMO_CLASSES);
	if (config->size < 8 || config->size > 512)
		return cn_err_set(err, CN_USAGE, "--size must lie in [8, 512]");
	return 0;
}

int
cn_demo_open(struct cn_import *import, const struct cn_demo_config *config, struct cn_pool *pool,
	struct cn_err *err)
{
	const struct cn_shape image = { 3, { config->size, config->size, 3 } }, scalar = { 0 };

	if (err->code || check(config, err))
		return -1;
	struct state *state = cn_mem_array(1, sizeof *state, err);
	if (!state)
		return -1;
	*state = (struct state){ .config = *config, .pool = pool };
	*import = (struct cn_import){
		.state = state, .read = read_rows, .close = close_demo,
		.first_id = config->test ? CN_DEMO_TEST_ID : 0,
	};
	cn_import_init(import, "demo", err);
	cn_schema_add(&import->schema, "x", CN_DTYPE_U8, &image, err);
	if (config->pairs)
		cn_schema_add(&import->schema, "pos", CN_DTYPE_U8, &image, err);
	cn_schema_add(&import->schema, "label", CN_DTYPE_I32, &scalar, err);
	cn_schema_add(&import->schema, "group", CN_DTYPE_U64, &scalar, err);
	return cn_meta_set(&import->meta, "source.version", DEMO_VERSION, err);
}
