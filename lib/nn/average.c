/* average - one run of floats beside the network's tensors. */
#include <string.h>

#include "base/mem.h"
#include "nn/average.h"

#include "base/banned.h"

struct cn_average {
	const struct cn_network *network;	/* not owned */
	float *mean;				/* all tensors, one behind the other */
};

static size_t
count(const struct cn_network_tensor *tensor)
{
	return cn_shape_count(&tensor->shape);
}

static void
copy(struct cn_average *a)
{
	float *mean = a->mean;

	for (size_t i = 0; i < cn_network_tensors(a->network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(a->network, i);

		memcpy(mean, tensor.data, count(&tensor) * sizeof(float));
		mean += count(&tensor);
	}
}

struct cn_average *
cn_average_new(const struct cn_network *network, struct cn_err *err)
{
	struct cn_average *a = err->code ? NULL : cn_mem_array(1, sizeof(*a), err);
	size_t total = 0;

	if (!a)
		return NULL;
	a->network = network;
	for (size_t i = 0; i < cn_network_tensors(network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(network, i);

		total += count(&tensor);
	}
	a->mean = cn_mem_array(total + 1, sizeof(float), err);
	if (!a->mean) {
		cn_average_free(a);
		return NULL;
	}
	copy(a);
	return a;
}

void
cn_average_free(struct cn_average *a)
{
	if (!a)
		return;
	cn_mem_free(a->mean);
	cn_mem_free(a);
}

void
cn_average_follow(struct cn_average *a, double decay)
{
	const float kept = (float)decay, taken = (float)(1 - decay);
	float *mean = a->mean;

	for (size_t i = 0; i < cn_network_tensors(a->network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(a->network, i);
		const size_t n = count(&tensor);

		for (size_t k = 0; k < n; k++)
			if (mean[k] != tensor.data[k])	/* what does not move keeps its bits */
				mean[k] = kept * mean[k] + taken * tensor.data[k];
		mean += n;
	}
}

void
cn_average_swap(struct cn_average *a)
{
	float *mean = a->mean;

	for (size_t i = 0; i < cn_network_tensors(a->network); i++) {
		const struct cn_network_tensor tensor = cn_network_tensor(a->network, i);
		const size_t n = count(&tensor);

		for (size_t k = 0; k < n; k++) {
			const float now = tensor.data[k];

			tensor.data[k] = mean[k];
			mean[k] = now;
		}
		mean += n;
	}
}
