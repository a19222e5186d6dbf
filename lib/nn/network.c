/* network - reads the words, gives every layer its place, and runs the layers in order both ways. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/layer.h"
#include "nn/network.h"
#include "nn/residual.h"

#include "base/banned.h"

enum { LAYERS = 64, WIDEST = 65536, LONGEST = 16, TENSORS = 15 };	/* LONGEST stride or kernel; TENSORS of one layer, at most */

#define MOST ((size_t)1 << 28)	/* numbers of a sample behind a layer, and weights of a layer */

struct named {
	char name[64];
	struct cn_network_tensor tensor;
	size_t fan_in;		/* 0: not drawn, */
	float fresh;		/* but set to this */
};

struct cn_network {
	struct cn_pool *pool;
	struct cn_extent in;
	struct cn_layer layer[LAYERS];
	size_t layers, trunk;		/* trunk: how many of them */
	struct named named[LAYERS * TENSORS];
	size_t tensors;
	float *parameter, *gradient, *running;
	size_t parameters;
	float *out[LAYERS];		/* output of each layer */
	float *back[2];			/* gradients on the way back, in turn */
	size_t room, back_room;		/* samples they hold */
	const float *input;		/* last put forward */
	size_t n;
};

static struct cn_extent
extent_now(const struct cn_network *net)
{
	return net->layers ? net->layer[net->layers - 1].out : net->in;
}

/* Digits, and nothing else: 1 to most. */
static bool
read_number(const char **at, size_t most, size_t *value)
{
	for (*value = 0; **at >= '0' && **at <= '9' && *value <= most; (*at)++)
		*value = 10 * *value + (size_t)(**at - '0');
	return *value >= 1 && *value <= most && !(**at >= '0' && **at <= '9');
}

/* "conv:32/2x5": width, then what the word may have of stride and kernel; false when that is not what it says. */
static bool
read_word(const char *word, const char *name, bool may_stride, bool may_widen, struct cn_layer *layer)
{
	const size_t length = strlen(name);
	const char *at = word + length;

	if (strncmp(word, name, length) != 0 || !read_number(&at, WIDEST, &layer->out.channels))
		return false;
	if (may_stride && *at == '/' && (at++, !read_number(&at, LONGEST, &layer->stride)))
		return false;
	if (may_widen && *at == 'x' && (at++, !read_number(&at, LONGEST, &layer->kernel)))
		return false;
	return *at == '\0' && layer->kernel % 2 == 1;
}

static bool
read_layer(const char *word, struct cn_layer *l)
{
	if (read_word(word, "conv:", true, true, l) || read_word(word, "res:", true, false, l)) {
		l->kind = *word == 'c' ? CN_LAYER_CONV : CN_LAYER_RESIDUAL;
		l->relu = true;
		l->out.height = (l->in.height - 1) / l->stride + 1;
		l->out.width = (l->in.width - 1) / l->stride + 1;
	} else if (read_word(word, "linear:", false, false, l)) {
		l->kind = CN_LAYER_LINEAR;
		l->out.height = l->out.width = 1;
	} else if (strcmp(word, "relu") == 0) {
		l->kind = CN_LAYER_RELU;
		l->out = l->in;
	} else if (strcmp(word, "gap") == 0) {
		l->kind = CN_LAYER_GAP;
		l->out = (struct cn_extent){ 1, 1, l->in.channels };
	} else if (strcmp(word, "flatten") == 0) {
		l->kind = CN_LAYER_FLATTEN;
		l->out = (struct cn_extent){ 1, 1, cn_extent_count(&l->in) };
	} else {
		return false;
	}
	return true;
}

/* So much that sizes cannot overflow later, and that a mistyped number is noticed. */
static int
check_size(const struct cn_layer *l, const char *word, struct cn_err *err)
{
	const size_t kernel = l->kind == CN_LAYER_LINEAR ? 1 : l->kernel > 3 ? l->kernel : 3;
	const size_t from = l->kind == CN_LAYER_LINEAR ? cn_extent_count(&l->in) : l->in.channels > l->out.channels ? l->in.channels : l->out.channels;
	const bool weighted = l->kind == CN_LAYER_CONV || l->kind == CN_LAYER_RESIDUAL || l->kind == CN_LAYER_LINEAR;

	if (cn_extent_count(&l->out) > MOST)
		return cn_err_set(err, CN_USAGE, "layer '%s' would make %zu numbers of a sample; at most %zu are possible", word,
			cn_extent_count(&l->out), MOST);
	if (weighted && kernel * kernel * from > MOST / l->out.channels)
		return cn_err_set(err, CN_USAGE, "layer '%s' would have more than %zu weights; make it or the one before narrower", word, MOST);
	return 0;
}

static int
add_layer(struct cn_network *net, const char *word, struct cn_err *err)
{
	struct cn_layer layer = { .in = extent_now(net), .stride = 1, .kernel = 3 };

	if (net->layers == LAYERS)
		return cn_err_set(err, CN_USAGE, "a network has at most %d layers", LAYERS);
	if (!read_layer(word, &layer))
		return cn_err_set(err, CN_USAGE, "no layer '%s'; there are conv:CHANNELS[/STRIDE][xKERNEL] (an odd kernel), "
			"res:CHANNELS[/STRIDE], linear:WIDTH, relu, gap and flatten", word);
	if (check_size(&layer, word, err) != 0 || (layer.kind == CN_LAYER_RESIDUAL && cn_residual_init(&layer, err) != 0))
		return -1;
	net->layer[net->layers++] = layer;
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
add_tensor(struct cn_network *net, size_t layer, const char *part, const char *what, struct cn_shape shape, size_t fan_in, float fresh)
{
	struct named *named = &net->named[net->tensors++];
	const bool head = layer >= net->trunk;

	snprintf(named->name, sizeof(named->name), "%s.%zu.%s%s", head ? "head" : "trunk", head ? layer - net->trunk : layer, part, what);
	named->tensor = (struct cn_network_tensor){ .name = named->name, .shape = shape };
	named->fan_in = fan_in;
	named->fresh = fresh;
}

/* The convolutions that a layer is, or consists of; how many. */
static size_t
convolutions(struct cn_layer *layer, struct cn_layer **conv)
{
	if (layer->kind == CN_LAYER_CONV) {
		*conv = layer;
		return 1;
	}
	if (layer->kind != CN_LAYER_RESIDUAL)
		return 0;
	*conv = layer->block->part;
	return layer->block->parts;
}

static void
name_convolution(struct cn_network *net, size_t layer, const struct cn_layer *l, const char *conv, const char *norm, bool running)
{
	const uint32_t in = (uint32_t)l->in.channels, out = (uint32_t)l->out.channels, kernel = (uint32_t)l->kernel;
	const struct cn_shape width = { .rank = 1, .dim = { out } };

	if (running) {
		add_tensor(net, layer, norm, "running_mean", width, 0, 0);
		add_tensor(net, layer, norm, "running_var", width, 0, 1);
		return;
	}
	add_tensor(net, layer, conv, "weight", (struct cn_shape){ 4, { out, in, kernel, kernel } }, (size_t)kernel * kernel * in, 0);
	add_tensor(net, layer, norm, "weight", width, 0, 1);
	add_tensor(net, layer, norm, "bias", width, 0, 0);
}

/* Names in an order of their own: what is learned first, then running statistics. */
static void
name_tensors(struct cn_network *net, bool running)
{
	static const char *const alone[2] = { "conv.", "norm." };
	static const char *const parts[CN_RESIDUAL_PARTS][2] = { { "conv1.", "norm1." }, { "conv2.", "norm2." },
		{ "shortcut.conv.", "shortcut.norm." } };

	for (size_t i = 0; i < net->layers; i++) {
		struct cn_layer *l = &net->layer[i], *conv;
		const size_t n = convolutions(l, &conv);

		for (size_t k = 0; k < n; k++) {
			const char *const *names = l->kind == CN_LAYER_CONV ? alone : parts[k];

			name_convolution(net, i, conv + k, names[0], names[1], running);
		}
		if (l->kind == CN_LAYER_LINEAR && !running) {
			const uint32_t from = (uint32_t)cn_extent_count(&l->in), out = (uint32_t)l->out.channels;

			add_tensor(net, i, "", "weight", (struct cn_shape){ 2, { out, from } }, from, 0);
			add_tensor(net, i, "", "bias", (struct cn_shape){ 1, { out } }, from, 0);
		}
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

static void
point_learned(struct cn_network *net, size_t *next, float **value, float **slope)
{
	const struct named *named = &net->named[(*next)++];

	*value = named->tensor.data;
	*slope = net->gradient + (named->tensor.data - net->parameter);
}

/* Tells the layers where their tensors lie, in the order of name_tensors. */
static void
point_layers(struct cn_network *net, size_t learned)
{
	size_t p = 0, r = learned;

	for (size_t i = 0; i < net->layers; i++) {
		struct cn_layer *l = &net->layer[i], *conv;
		const size_t n = convolutions(l, &conv);

		for (size_t k = 0; k < n; k++, conv++) {
			point_learned(net, &p, &conv->weight, &conv->dweight);
			point_learned(net, &p, &conv->gamma, &conv->dgamma);
			point_learned(net, &p, &conv->beta, &conv->dbeta);
			conv->mean = net->named[r++].tensor.data;
			conv->variance = net->named[r++].tensor.data;
		}
		if (l->kind == CN_LAYER_LINEAR) {
			point_learned(net, &p, &l->weight, &l->dweight);
			point_learned(net, &p, &l->bias, &l->dbias);
		}
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
	point_layers(net, learned);
	return 0;
}

static int
set_input(struct cn_network *net, const struct cn_shape *shape, struct cn_err *err)
{
	const uint32_t *dim = shape->dim;
	size_t count;

	if (shape->rank < 1 || shape->rank > 3)
		return cn_err_set(err, CN_FAILED, "a sample must have 1 to 3 axes for a network, not %u", shape->rank);
	net->in = shape->rank == 1 ? (struct cn_extent){ 1, 1, dim[0] }
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
		return cn_err_set(err, CN_USAGE, "a network needs a layer at least; describe it with --arch");
	if (end.height * end.width != 1)
		return cn_err_set(err, CN_USAGE, "the network ends in a map of %zu by %zu; put gap, flatten or linear behind", end.height, end.width);
	return 0;
}

struct cn_network *
cn_network_new(const char *arch, const char *head, const struct cn_shape *input, struct cn_pool *pool,
	struct cn_err *err)
{
	struct cn_network *net = err->code ? NULL : cn_mem_array(1, sizeof(*net), err);

	if (!net)
		return NULL;
	net->pool = pool;
	if (set_input(net, input, err) == 0 && add_words(net, arch, err) == 0) {
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
		const float bound = named->fan_in ? (float)(1 / sqrt((double)named->fan_in)) : 0;

		cn_rng_start(&rng, &key, i, 0);
		for (size_t k = 0; k < n; k++)
			named->tensor.data[k] = named->fan_in ? cn_rng_range(&rng, -bound, bound) : named->fresh;
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

size_t
cn_network_parameters(struct cn_network *net, float **parameter, float **gradient)
{
	*parameter = net->parameter;
	*gradient = net->gradient;
	return net->parameters;
}

/* Memory for n samples: each layer's output, and two gradients of the largest. */
static int
make_room(struct cn_network *net, size_t n, bool training, struct cn_err *err)
{
	size_t largest = 0;

	for (size_t i = 0; i < net->layers; i++) {
		const size_t size = cn_extent_count(&net->layer[i].out);

		largest = size > largest ? size : largest;
		if (cn_layer_room(&net->layer[i], n, net->pool, err) != 0)
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
	return err->code ? -1 : 0;
}

static void
run(struct cn_network *net, const float *input, size_t n, size_t layers, bool training)
{
	for (size_t i = 0; i < layers; i++)
		cn_layer_forward(&net->layer[i], i ? net->out[i - 1] : input, net->out[i], n, training, net->pool);
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

int
cn_network_backward(struct cn_network *net, const float *dz, float *dinput, struct cn_err *err)
{
	if (err->code)
		return -1;
	memcpy(net->back[0], dz, net->n * cn_network_dim(net, CN_NETWORK_HEAD) * sizeof(float));
	for (size_t i = net->layers, turn = 0; i-- > 0; turn = !turn)
		cn_layer_backward(&net->layer[i], i ? net->out[i - 1] : net->input, net->out[i], net->back[turn],
			i ? net->back[!turn] : dinput, net->n, net->pool);
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
