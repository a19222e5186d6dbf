/* network - reads the words, gives every layer its place, and runs the layers in order both ways. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/layer.h"
#include "nn/network.h"

#include "base/banned.h"

enum { LAYERS = 64 };

#define MOST ((size_t)1 << 28)	/* numbers of a sample behind a layer, and weights of a layer */

struct named {
	char name[64];
	struct cn_network_tensor tensor;
	size_t layer;
	struct cn_layer_tensor of;	/* what the layer says of it */
};

struct cn_network {
	struct cn_pool *pool;
	struct cn_extent in;
	bool tokens;			/* are the samples */
	struct cn_layer layer[LAYERS];
	size_t layers, trunk, frozen;	/* of the layers, these are the trunk, and these are no longer trained */
	struct named named[LAYERS * CN_LAYER_TENSORS];
	size_t tensors;
	float *parameter, *gradient, *running;
	size_t parameters;
	float *out[LAYERS];		/* output of each layer */
	float *back[2];			/* gradients on the way back, in turn */
	size_t room, back_room;		/* samples they hold */
	float *scratch;			/* of all layers */
	size_t scratch_room;		/* numbers it holds */
	const float *input;		/* last put forward */
	size_t n;
};

static struct cn_extent
extent_now(const struct cn_network *net)
{
	return net->layers ? net->layer[net->layers - 1].out : net->in;
}

/* So much that sizes cannot overflow later, and that a mistyped number is noticed. */
static int
check_size(struct cn_layer *l, const char *word, struct cn_err *err)
{
	struct cn_layer_tensor tensor[CN_LAYER_TENSORS];
	const size_t n = l->kind->tensors ? l->kind->tensors(l, tensor) : 0;

	if (cn_extent_count(&l->out) > MOST)
		return cn_err_set(err, CN_USAGE, "layer '%s' would make %zu numbers of a sample; at most %zu are possible", word,
			cn_extent_count(&l->out), MOST);
	for (size_t i = 0; i < n; i++)
		if (cn_shape_count(&tensor[i].shape) > MOST)
			return cn_err_set(err, CN_USAGE, "layer '%s' would have more than %zu weights; make it or the one before narrower",
				word, MOST);
	return 0;
}

/* Tokens go into a table first; a table takes nothing else. */
static int
check_tokens(const struct cn_network *net, const struct cn_layer *l, const char *word, struct cn_err *err)
{
	if (l->kind->tokens && net->layers > 0)
		return cn_err_set(err, CN_USAGE, "layer '%s' looks up tokens, so it must be the first", word);
	if (l->kind->tokens && !net->tokens)
		return cn_err_set(err, CN_USAGE, "layer '%s' looks up tokens, but the samples are not of type u32", word);
	if (!l->kind->tokens && net->tokens && net->layers == 0)
		return cn_err_set(err, CN_USAGE, "samples of type u32 are tokens; begin with bag:VxD or table:VxD, not '%s'", word);
	return 0;
}

static int
add_layer(struct cn_network *net, const char *word, struct cn_err *err)
{
	struct cn_layer *l = &net->layer[net->layers];

	if (net->layers == LAYERS)
		return cn_err_set(err, CN_USAGE, "a network has at most %d layers", LAYERS);
	*l = (struct cn_layer){ .in = extent_now(net) };
	if (cn_layer_read(l, word, err) != 0 || check_tokens(net, l, word, err) != 0 || check_size(l, word, err) != 0) {
		cn_layer_release(l);
		return -1;
	}
	net->layers++;
	return 0;
}

static int
add_words(struct cn_network *net, const char *words, struct cn_err *err)
{
	while (*(words += strspn(words, " ")) != '\0') {
		const size_t length = strcspn(words, " ");
		char word[64];

		if (length >= sizeof(word))
			return cn_err_set(err, CN_USAGE, "no layer '%.60s...'", words);
		memcpy(word, words, length);
		word[length] = '\0';
		if (add_layer(net, word, err) != 0)
			return -1;
		words += length;
	}
	return 0;
}

static void
name_tensor(struct cn_network *net, size_t layer, const struct cn_layer_tensor *of)
{
	struct named *named = &net->named[net->tensors++];
	const bool head = layer >= net->trunk;

	snprintf(named->name, sizeof(named->name), "%s.%zu.%s%s", head ? "head" : "trunk", head ? layer - net->trunk : layer, of->part,
		of->what);
	named->tensor = (struct cn_network_tensor){ .name = named->name, .shape = of->shape };
	named->layer = layer;
	named->of = *of;
}

/* Names in an order of their own: what is learned first, then running statistics. */
static void
name_tensors(struct cn_network *net, bool running)
{
	struct cn_layer_tensor tensor[CN_LAYER_TENSORS];

	for (size_t i = 0; i < net->layers; i++) {
		const size_t n = net->layer[i].kind->tensors ? net->layer[i].kind->tensors(&net->layer[i], tensor) : 0;

		for (size_t k = 0; k < n; k++)
			if (running == !tensor[k].slope)
				name_tensor(net, i, &tensor[k]);
	}
}

/* Cuts one run of floats into the tensors [from, to); returns its length. */
static size_t
place_tensors(struct cn_network *net, size_t from, size_t to, float *run)
{
	size_t at = 0;

	for (size_t i = from; i < to; i++) {
		net->named[i].tensor.data = run ? run + at : NULL;
		at += cn_shape_count(&net->named[i].tensor.shape);
	}
	return at;
}

/* Tells the layers where their tensors lie. */
static void
point_layers(struct cn_network *net)
{
	for (size_t i = 0; i < net->tensors; i++) {
		const struct named *named = &net->named[i];

		*named->of.value = named->tensor.data;
		if (named->of.slope)
			*named->of.slope = net->gradient + (named->tensor.data - net->parameter);
	}
}

static int
place(struct cn_network *net, struct cn_err *err)
{
	name_tensors(net, false);
	const size_t learned = net->tensors;

	name_tensors(net, true);
	net->parameters = place_tensors(net, 0, learned, NULL);
	if (net->parameters > MOST)
		return cn_err_set(err, CN_USAGE, "the network would have %zu weights; at most %zu are possible", net->parameters, MOST);
	net->parameter = cn_mem_array(net->parameters + 1, sizeof(float), err);
	net->gradient = cn_mem_array(net->parameters + 1, sizeof(float), err);
	net->running = cn_mem_array(place_tensors(net, learned, net->tensors, NULL) + 1, sizeof(float), err);
	if (err->code)
		return -1;
	place_tensors(net, 0, learned, net->parameter);
	place_tensors(net, learned, net->tensors, net->running);
	point_layers(net);
	return 0;
}

static int
set_input(struct cn_network *net, enum cn_dtype dtype, const struct cn_shape *shape, struct cn_err *err)
{
	const uint32_t *dim = shape->dim;
	size_t count;

	net->tokens = dtype == CN_DTYPE_U32;
	if (net->tokens && shape->rank > 1)
		return cn_err_set(err, CN_FAILED, "tokens must be one or a row of them for a network, not of %u axes", shape->rank);
	if (!net->tokens && (shape->rank < 1 || shape->rank > 3))
		return cn_err_set(err, CN_FAILED, "a sample must have 1 to 3 axes for a network, not %u", shape->rank);
	net->in = shape->rank <= 1 ? (struct cn_extent){ 1, 1, shape->rank ? dim[0] : 1 }
		: (struct cn_extent){ dim[0], dim[1], shape->rank == 3 ? dim[2] : 1 };
	if (!cn_mem_multiply(net->in.height, net->in.width, &count) || !cn_mem_multiply(count, net->in.channels, &count)
	    || count < 1 || count > MOST)
		return cn_err_set(err, CN_FAILED, "a sample must have 1 to %zu numbers for a network", MOST);
	return 0;
}

static int
check_ends(const struct cn_network *net, struct cn_err *err)
{
	const struct cn_extent end = extent_now(net);

	if (net->trunk == 0)
		return cn_err_set(err, CN_USAGE, "a network needs a layer at least, as 'linear:64'");
	if (end.height * end.width != 1)
		return cn_err_set(err, CN_USAGE, "the network ends in a map of %zu by %zu; put gap, flatten or linear behind", end.height, end.width);
	return 0;
}

struct cn_network *
cn_network_new(const char *arch, const char *head, enum cn_dtype dtype, const struct cn_shape *input, struct cn_pool *pool,
	struct cn_err *err)
{
	struct cn_network *net = err->code ? NULL : cn_mem_array(1, sizeof(*net), err);

	if (!net)
		return NULL;
	net->pool = pool;
	if (set_input(net, dtype, input, err) == 0 && add_words(net, arch, err) == 0) {
		net->trunk = net->layers;
		if (check_ends(net, err) == 0 && add_words(net, head, err) == 0 && check_ends(net, err) == 0)
			place(net, err);
	}
	if (!err->code)
		return net;
	cn_network_free(net);
	return NULL;
}

void
cn_network_free(struct cn_network *net)
{
	if (!net)
		return;
	for (size_t i = 0; i < net->layers; i++) {
		cn_layer_release(&net->layer[i]);
		cn_mem_free(net->out[i]);
	}
	cn_mem_free(net->back[0]);
	cn_mem_free(net->back[1]);
	cn_mem_free(net->scratch);
	cn_mem_free(net->parameter);
	cn_mem_free(net->gradient);
	cn_mem_free(net->running);
	cn_mem_free(net);
}

void
cn_network_init(struct cn_network *net, uint64_t seed)
{
	struct cn_rng_key key;
	struct cn_rng rng;

	cn_rng_key_init(&key, seed, "weights");
	for (size_t i = 0; i < net->tensors; i++) {
		const struct named *named = &net->named[i];
		const size_t n = cn_shape_count(&named->tensor.shape);
		const float bound = named->of.fan_in ? (float)(1 / sqrt((double)named->of.fan_in)) : 0;

		cn_rng_start(&rng, &key, i, 0);
		for (size_t k = 0; k < n; k++)
			named->tensor.data[k] = named->of.fan_in ? cn_rng_range(&rng, -bound, bound) : named->of.fresh;
	}
}

size_t
cn_network_dim(const struct cn_network *net, enum cn_network_layer layer)
{
	return net->layer[(layer == CN_NETWORK_TRUNK ? net->trunk : net->layers) - 1].out.channels;
}

size_t
cn_network_tensors(const struct cn_network *net)
{
	return net->tensors;
}

struct cn_network_tensor
cn_network_tensor(const struct cn_network *net, size_t i)
{
	return net->named[i].tensor;
}

/* Numbers of the frozen layers, which lie in front of those that are trained. */
static size_t
frozen_parameters(const struct cn_network *net)
{
	size_t n = 0;

	for (size_t i = 0; i < net->tensors && net->named[i].of.slope && net->named[i].layer < net->frozen; i++)
		n += cn_shape_count(&net->named[i].tensor.shape);
	return n;
}

size_t
cn_network_parameters(struct cn_network *net, float **parameter, float **gradient)
{
	const size_t at = frozen_parameters(net);

	*parameter = net->parameter + at;
	*gradient = net->gradient + at;
	return net->parameters - at;
}

int
cn_network_freeze(struct cn_network *net, size_t layers, struct cn_err *err)
{
	if (err->code)
		return -1;
	if (layers != CN_NETWORK_ALL && layers > net->trunk)
		return cn_err_set(err, CN_USAGE, "cannot freeze %zu layers: the trunk has %zu", layers, net->trunk);
	net->frozen = layers < net->trunk ? layers : net->trunk;
	if (frozen_parameters(net) == net->parameters)
		return cn_err_set(err, CN_USAGE, "with %zu layers frozen there is nothing left to learn", net->frozen);
	return 0;
}

size_t
cn_network_tokens(const struct cn_network *net)
{
	return net->tokens ? net->layer[0].number : 0;
}

void
cn_network_moment(struct cn_network *net, uint64_t seed, uint64_t step, uint64_t first)
{
	char purpose[40];

	for (size_t i = 0; i < net->layers; i++) {
		if (!net->layer[i].kind->fraction)
			continue;
		snprintf(purpose, sizeof purpose, "dropout.%zu", i);
		cn_rng_key_init(&net->layer[i].key, seed, purpose);
		net->layer[i].step = step;
		net->layer[i].first = first;
	}
}

static int
make_scratch(struct cn_network *net, size_t n, struct cn_err *err)
{
	size_t most = 0;

	for (size_t i = 0; i < net->layers; i++) {
		const size_t wanted = cn_layer_scratch(&net->layer[i], n, net->pool);

		most = wanted > most ? wanted : most;
	}
	if (most <= net->scratch_room)
		return 0;
	cn_mem_free(net->scratch);
	net->scratch = cn_mem_array(most, sizeof(float), err);
	net->scratch_room = most;
	for (size_t i = 0; i < net->layers; i++)
		net->layer[i].scratch = net->scratch;
	return err->code ? -1 : 0;
}

/* Memory for n samples: each layer's output, and two gradients of the largest. */
static int
make_room(struct cn_network *net, size_t n, bool training, struct cn_err *err)
{
	size_t largest = 0;

	for (size_t i = 0; i < net->layers; i++) {
		const size_t size = cn_extent_count(&net->layer[i].out);

		largest = size > largest ? size : largest;
		if (cn_layer_room(&net->layer[i], n, err) != 0)
			return -1;
		if (n <= net->room)
			continue;
		cn_mem_free(net->out[i]);
		net->out[i] = cn_mem_array(n, size * sizeof(float), err);
	}
	for (int k = 0; k < 2 && training && n > net->back_room; k++) {
		cn_mem_free(net->back[k]);
		net->back[k] = cn_mem_array(n, largest * sizeof(float), err);
	}
	net->back_room = training && n > net->back_room ? n : net->back_room;
	net->room = n > net->room ? n : net->room;
	return make_scratch(net, n, err);
}

/* In training frozen layers do what they do in use, but to all samples together. */
static void
run(struct cn_network *net, const float *input, size_t n, size_t layers, bool training)
{
	for (size_t i = 0; i < layers; i++) {
		const struct cn_layer_way way = { .learning = training && i >= net->frozen, .together = training };

		cn_layer_forward(&net->layer[i], i ? net->out[i - 1] : input, net->out[i], n, way, net->pool);
	}
}

int
cn_network_reserve(struct cn_network *net, size_t n, struct cn_err *err)
{
	return err->code ? -1 : make_room(net, n, true, err);
}

int
cn_network_forward(struct cn_network *net, const float *input, size_t n, float *z, struct cn_err *err)
{
	if (err->code || make_room(net, n, true, err) != 0)
		return -1;
	net->input = input;
	net->n = n;
	run(net, input, n, net->layers, true);
	if (z)
		memcpy(z, net->out[net->layers - 1], n * cn_network_dim(net, CN_NETWORK_HEAD) * sizeof(float));
	return 0;
}

/* Through all layers but the first ones. */
static void
go_back(struct cn_network *net, const float *dz, size_t first, float *dinput)
{
	memcpy(net->back[0], dz, net->n * cn_network_dim(net, CN_NETWORK_HEAD) * sizeof(float));
	for (size_t i = net->layers, turn = 0; i-- > first; turn = !turn)
		cn_layer_backward(&net->layer[i], i ? net->out[i - 1] : net->input, net->out[i], net->back[turn],
			i > first ? net->back[!turn] : i ? NULL : dinput, net->n, net->pool);
}

int
cn_network_backward(struct cn_network *net, const float *dz, float *dinput, struct cn_err *err)
{
	if (err->code)
		return -1;
	go_back(net, dz, net->frozen, dinput);
	return 0;
}

int
cn_network_probe(struct cn_network *net, const float *input, size_t n, float *z, struct cn_err *err)
{
	if (err->code || make_room(net, n, true, err) != 0)
		return -1;
	net->input = input;
	net->n = n;
	run(net, input, n, net->layers, false);
	memcpy(z, net->out[net->layers - 1], n * cn_network_dim(net, CN_NETWORK_HEAD) * sizeof(float));
	return 0;
}

int
cn_network_slope(struct cn_network *net, const float *dz, float *dinput, struct cn_err *err)
{
	if (err->code)
		return -1;
	go_back(net, dz, 0, dinput);
	return 0;
}

int
cn_network_apply(struct cn_network *net, const float *input, size_t n, enum cn_network_layer layer, float *z,
	struct cn_err *err)
{
	const size_t layers = layer == CN_NETWORK_TRUNK ? net->trunk : net->layers;

	if (err->code || make_room(net, n, false, err) != 0)
		return -1;
	run(net, input, n, layers, false);
	memcpy(z, net->out[layers - 1], n * cn_network_dim(net, layer) * sizeof(float));
	return 0;
}
