// A lock-free stack of nodes that bring their own link: many push, one takes all.
#pragma once
#include <atomic>

namespace tidewheel {

// `Next` is a member of Node: `Node* next_ready`. A node is on one stack at a time; the pusher
// makes sure of it (a flag of the node that it sets first). Because only whole stacks are taken,
// there is no ABA problem.
template <class Node, Node* Node::*Next>
class IntrusiveStack {
 public:
  // Any thread. Returns true when the stack was empty, so that the taker may have to be woken.
  bool push(Node* node) {
    Node* head = head_.load(std::memory_order_relaxed);
    do {
      node->*Next = head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }
  // One thread. All nodes, linked by Next, the oldest first; null when there are none.
  Node* take_all() {
    if (head_.load(std::memory_order_seq_cst) == nullptr) { return nullptr; }
    Node* node = head_.exchange(nullptr, std::memory_order_seq_cst);
    Node* oldest_first = nullptr;
    while (node != nullptr) {
      Node* const next = node->*Next;
      node->*Next = oldest_first;
      oldest_first = node;
      node = next;
    }
    return oldest_first;
  }
  bool empty() const { return head_.load(std::memory_order_seq_cst) == nullptr; }

 private:
  std::atomic<Node*> head_{nullptr};
};

}  // namespace tidewheel
