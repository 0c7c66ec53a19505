/*
 * The probes of a store, for Rust (src/bin/d_file.rs) and C (c/store.c) alike.
 */
typedef unsigned long order_id_t;

provider store {
	/* An order has come. */
	probe order__received(order_id_t id, char *item, int pieces);
	/* An order is on its way. */
	probe order__shipped(order_id_t id, double price);
};
